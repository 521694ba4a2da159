#include "server/port_channels.h"

#include <catch2/catch.hpp>

#include "mk/rt/all.h"
#include "mk/rt/loop.h"

using namespace mk;
using namespace mk::kubelet;

namespace {

// A client that has sent its messages and goes; what it is sent is kept.
class Client final : public net::WebSocket {
 public:
  explicit Client(std::vector<std::string> messages) : messages_(std::move(messages)) {}
  const std::string& subprotocol() const override { return subprotocol_; }
  rt::Task<Result<Message>> read() override {
    if (next_ == messages_.size()) co_return Error(Reason::kGone, "closed");
    co_return Message(true, messages_[next_++]);
  }
  rt::Task<Result<void>> write(Message message) override {
    got.push_back(std::move(message.data));
    co_return ok();
  }
  rt::Task<> close(int, std::string) override { co_return; }

  std::vector<std::string> got;

 private:
  const std::string subprotocol_ = "v4.channel.k8s.io";
  std::vector<std::string> messages_;
  std::size_t next_ = 0;
};

rt::Task<> read_all(std::shared_ptr<net::SpdyStream> channel, std::string& out) {
  for (;;) {
    auto data = co_await channel->read();
    if (!data.ok() || data->empty()) co_return;
    out += *data;
  }
}

}  // namespace

TEST_CASE("ports share a WebSocket, two channels each") {
  const auto client = std::make_shared<Client>(std::vector<std::string>{
      std::string("\0a", 2), "\2x", "", "\1ignored", "\7nobody's", std::string("\0b", 2)});
  PortChannels channels(client, 2);
  std::string first, second;
  rt::Loop loop;
  const std::vector<int> ports{80, 8443};
  auto body = [&]() -> rt::Task<> {
    CHECK(co_await channels.open(ports));
    std::vector<rt::Task<>> tasks;
    tasks.push_back(read_all(channels.channel(0), first));
    tasks.push_back(read_all(channels.channel(2), second));
    tasks.push_back(channels.run());
    co_await rt::all(std::move(tasks));
    CHECK((co_await channels.channel(3)->write("refused")).ok());
  };
  rt::run_until_done(loop, body());
  CHECK(first == "ab");
  CHECK(second == "x");
  CHECK(client->got == std::vector<std::string>{std::string("\0\x50\0", 3), std::string("\1\x50\0", 3),
                                                "\2\xfb\x20", "\3\xfb\x20", "\3refused"});
}

TEST_CASE("ports to forward come one by one or in a list") {
  CHECK(parse_ports({"80", "81,82"}).value() == std::vector<int>{80, 81, 82});
  for (const char* bad : {"", "0", "65536", "http", "80,"}) CHECK_FALSE(parse_ports({bad}).ok());
  CHECK_FALSE(parse_ports({}).ok());
  CHECK_FALSE(parse_ports(std::vector<std::string>(101, "80")).ok());
}
