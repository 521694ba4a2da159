#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mk/net/spdy.h"
#include "mk/net/websocket.h"

namespace mk::kubelet {

// Ports of a pod over the messages of one WebSocket ("v4.channel.k8s.io"), whose first byte names a channel:
// 2i carries the bytes of the i-th port, 2i+1 what went wrong with it. Each opens with its port, two bytes in
// little endian.
class PortChannels {
 public:
  PortChannels(std::shared_ptr<net::WebSocket> socket, std::size_t count);
  ~PortChannels();

  // Opens the channels of `ports`; false: the client has gone.
  rt::Task<bool> open(std::vector<int> ports);
  // Hands out what the client sends, until it goes.
  rt::Task<> run();
  std::shared_ptr<net::SpdyStream> channel(std::size_t number) const;

 private:
  class Channel;
  std::shared_ptr<net::WebSocket> socket_;
  std::vector<std::shared_ptr<Channel>> channels_;
};

// "80", "80,443" of each value; kBadRequest when something else is there, nothing at all, or too many.
Result<std::vector<int>> parse_ports(const std::vector<std::string>& values);

}  // namespace mk::kubelet
