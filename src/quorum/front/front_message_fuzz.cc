#include "front/front_message.h"
#include "fuzz/target.h"
#include "mk/base/assert.h"

// What a peer may send: refused, or understood so that saying it again is understood alike.
MK_FUZZ_TARGET(front_message, input) {
  const auto message = mk::quorum::decode_front_message(input);
  if (!message.ok()) return;
  const auto again = mk::quorum::decode_front_message(mk::quorum::encode(*message).view());
  MK_ASSERT(again.ok() && again->operations.size() == message->operations.size());
}
