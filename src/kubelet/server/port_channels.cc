#include "server/port_channels.h"

#include <fmt/core.h>

#include "mk/base/strings.h"
#include "mk/net/unread.h"

namespace mk::kubelet {

namespace {
constexpr std::size_t kPortsMax = 100;  // a channel's number is one byte
}  // namespace

// Ends, for its reader, with the whole connection: one channel has no end of its own.
class PortChannels::Channel final : public net::SpdyStream {
 public:
  Channel(std::shared_ptr<net::WebSocket> socket, std::size_t number)
      : socket_(std::move(socket)), number_(static_cast<char>(number)) {}

  const net::Headers& headers() const override { return headers_; }
  rt::Task<Result<std::string>> read() override { return unread_.read(); }
  rt::Task<Result<void>> write(std::string data) override {
    net::WebSocket::Message message(true, number_ + data);
    co_return co_await socket_->write(std::move(message));
  }
  rt::Task<> finish() override {
    end();  // nobody reads on
    co_return;
  }

  rt::Task<> take(std::string data) { return unread_.take(std::move(data)); }
  void end() { unread_.end(); }

 private:
  const std::shared_ptr<net::WebSocket> socket_;
  const char number_;
  const net::Headers headers_;
  net::Unread unread_;
};

PortChannels::PortChannels(std::shared_ptr<net::WebSocket> socket, std::size_t count)
    : socket_(std::move(socket)) {
  for (std::size_t i = 0; i < 2 * count; ++i) channels_.push_back(std::make_shared<Channel>(socket_, i));
}

PortChannels::~PortChannels() {
  for (const auto& channel : channels_) channel->end();
}

rt::Task<bool> PortChannels::open(std::vector<int> ports) {
  for (std::size_t i = 0; i < channels_.size(); ++i) {
    const int port = ports[i / 2];
    std::string number{static_cast<char>(port & 0xff), static_cast<char>(port >> 8)};
    if (!(co_await channels_[i]->write(std::move(number))).ok()) co_return false;
  }
  co_return true;
}

rt::Task<> PortChannels::run() {
  for (;;) {
    auto message = co_await socket_->read();
    if (!message.ok()) break;
    if (message->data.empty()) continue;
    const auto number = static_cast<unsigned char>(message->data[0]);
    if (number >= channels_.size() || number % 2 != 0) continue;  // errors go one way
    co_await channels_[number]->take(message->data.substr(1));
  }
  for (const auto& channel : channels_) channel->end();
}

std::shared_ptr<net::SpdyStream> PortChannels::channel(std::size_t number) const {
  return channels_.at(number);
}

Result<std::vector<int>> parse_ports(const std::vector<std::string>& values) {
  std::vector<int> out;
  for (const auto& value : values) {
    for (const auto text : split(value, ',')) {
      const auto port = parse_int(text).value_or(0);
      if (port < 1 || port > 65535)
        return Error(Reason::kBadRequest, fmt::format("port \"{}\" must be between 1 and 65535", text));
      out.push_back(static_cast<int>(port));
    }
  }
  if (out.empty()) return Error(Reason::kBadRequest, "query parameter \"port\" is required");
  if (out.size() > kPortsMax) return Error(Reason::kBadRequest, fmt::format("more than {} ports", kPortsMax));
  return out;
}

}  // namespace mk::kubelet
