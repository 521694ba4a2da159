#include <sys/socket.h>
#include <unistd.h>

#include "fuzz/target.h"
#include "mk/base/assert.h"
#include "mk/rt/loop.h"
#include "websocket_stream.h"

namespace {

using namespace mk;

rt::Task<> read_all(std::shared_ptr<net::Stream> stream, rt::Clock& clock, net::WebSocketSide side) {
  const auto socket = net::make_websocket(std::move(stream), clock, side, "");
  for (;;) {
    const auto message = co_await socket->read();
    if (!message.ok()) break;
    MK_ASSERT(message->data.size() <= 16 << 20);
  }
}

}  // namespace

// Frames of a peer whose role the first byte chooses; pings and closes are answered.
MK_FUZZ_TARGET(websocket, input) {
  constexpr std::size_t kInputMax = 64 << 10;  // what a socket holds that nobody reads
  if (input.empty() || input.size() > kInputMax) return;
  int ends[2];
  MK_ASSERT(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  rt::Loop loop;
  net::Socket socket(loop.executor());
  socket.assign(boost::asio::ip::tcp::v4(), ends[0]);
  const auto stream = std::make_shared<net::Stream>(std::move(socket), nullptr);
  const auto sent = ::write(ends[1], input.data() + 1, input.size() - 1);
  MK_ASSERT(sent == static_cast<ssize_t>(input.size() - 1));
  ::shutdown(ends[1], SHUT_WR);
  const auto clock = rt::make_real_clock();
  const auto side = input[0] % 2 == 0 ? net::WebSocketSide::kServer : net::WebSocketSide::kClient;
  rt::run_until_done(loop, read_all(stream, *clock, side));
  ::close(ends[1]);
}
