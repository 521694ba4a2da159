#include "messages.h"

#include "fuzz/target.h"
#include "mk/base/assert.h"

// Anything that decodes encodes again to a frame that decodes alike.
MK_FUZZ_TARGET(raft_message, frame) {
  auto message = mk::quorum::decode_message(frame);
  if (!message.ok()) return;
  const mk::SharedBytes again = mk::quorum::encode_message(*message);
  auto back = mk::quorum::decode_message(again.view());
  MK_ASSERT(back.ok() && mk::quorum::encode_message(*back).view() == again.view());
}
