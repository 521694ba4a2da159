#include "mk/net/spdy.h"

#include "fuzz/target.h"
#include "mk/base/assert.h"
#include "mk/rt/group.h"
#include "mk/rt/loop.h"
#include "script.h"

namespace {

using mk::rt::Task;

// Takes every stream the peer opens, reads it to its end and answers.
Task<> serve(std::shared_ptr<mk::net::Script> peer, mk::rt::Loop& loop) {
  const auto session = mk::net::serve_spdy(peer);
  mk::rt::Group reader(loop.executor());
  reader.spawn("session", session->run());
  while (const auto stream = co_await session->accept()) {
    for (;;) {
      const auto data = co_await stream->read();
      if (!data.ok() || data->empty()) break;
    }
    (void)co_await stream->write("answer");
    co_await stream->finish();
  }
  co_await reader.stop();
}

}  // namespace

// Frames of a client that come in pieces of a size the first byte chooses.
MK_FUZZ_TARGET(spdy, input) {
  if (input.empty()) return;
  const auto peer =
      std::make_shared<mk::net::Script>(input.substr(1), 1 + static_cast<unsigned char>(input[0]));
  mk::rt::Loop loop;
  mk::rt::run_until_done(loop, serve(peer, loop));
  MK_ASSERT(peer->closed);
}
