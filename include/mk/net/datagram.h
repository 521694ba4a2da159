#pragma once

#include <functional>
#include <memory>
#include <string>

#include "mk/base/result.h"
#include "mk/net/server.h"
#include "mk/rt/loop.h"

namespace mk::net {

struct Peer {
  std::string address;
  int port = 0;
};

// A bound UDP socket (DNS). Datagrams up to 64 KiB.
class UdpSocket {
 public:
  struct Datagram {
    Peer from;
    std::string data;
  };
  virtual ~UdpSocket() = default;
  virtual int port() const = 0;
  virtual rt::Task<Result<Datagram>> receive() = 0;
  virtual rt::Task<Result<void>> send(Peer to, std::string data) = 0;
};
Result<std::unique_ptr<UdpSocket>> bind_udp(rt::Loop& loop, const std::string& address, int port);

// A plain TCP listener: each connection goes to `handler` in a task of its own.
class TcpListener {
 public:
  virtual ~TcpListener() = default;
  virtual int port() const = 0;
  virtual rt::Task<> stop() = 0;
};
using TcpHandler = std::function<rt::Task<>(std::shared_ptr<RawStream>, Peer)>;
Result<std::unique_ptr<TcpListener>> listen_tcp(rt::Loop& loop, const std::string& address, int port,
                                                TcpHandler handler);

}  // namespace mk::net
