#include "mk/net/grpc.h"

#include "fuzz/target.h"
#include "mk/base/assert.h"
#include "mk/rt/loop.h"
#include "script.h"

namespace {

mk::rt::Task<> call(mk::net::Script& peer) {
  mk::net::GrpcCall check;
  check.authority = "10.42.0.7:9000";
  check.method = "/grpc.health.v1.Health/Check";
  const auto answer = co_await mk::net::call_grpc(peer, std::move(check));
  if (answer.ok()) MK_ASSERT(answer->message.size() <= 4 << 20);
}

}  // namespace

// Frames of a server that is asked for its health.
MK_FUZZ_TARGET(grpc, input) {
  if (input.empty()) return;
  mk::net::Script peer(input.substr(1), 1 + static_cast<unsigned char>(input[0]));
  mk::rt::Loop loop;
  mk::rt::run_until_done(loop, call(peer));
}
