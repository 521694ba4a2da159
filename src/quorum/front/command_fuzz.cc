#include "front/command.h"
#include "fuzz/target.h"
#include "mk/base/assert.h"

// What a log may hold: refused, or understood so that saying it again is understood alike.
MK_FUZZ_TARGET(command, input) {
  const auto command = mk::quorum::decode_command(input);
  if (!command.ok()) return;
  const auto again = mk::quorum::decode_command(mk::quorum::encode(*command).view());
  MK_ASSERT(again.ok() && again->changes.size() == command->changes.size());
  MK_ASSERT(mk::quorum::encode(*again).view() == mk::quorum::encode(*command).view());
}
