#include "front/command.h"
#include "front/front_message.h"
#include "fuzz/target.h"
#include "mk/base/assert.h"

// What a log or a peer may hold: refused, or understood so that saying it again is understood alike.
MK_FUZZ_TARGET(store_command, bytes) {
  if (const auto command = mk::quorum::decode_command(bytes); command.ok()) {
    const auto again = mk::quorum::decode_command(mk::quorum::encode(*command).view());
    MK_ASSERT(again.ok() && again->changes.size() == command->changes.size());
    MK_ASSERT(mk::quorum::encode(*again).view() == mk::quorum::encode(*command).view());
  }
  if (const auto message = mk::quorum::decode_front_message(bytes); message.ok()) {
    const auto again = mk::quorum::decode_front_message(mk::quorum::encode(*message).view());
    MK_ASSERT(again.ok() && again->operations.size() == message->operations.size());
  }
}
