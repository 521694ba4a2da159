// A frame between servers: anything that decodes encodes again to a frame that decodes alike, and so do the
// servers that it may carry.

#include "fuzz/target.h"
#include "members.h"
#include "messages.h"
#include "mk/base/assert.h"

MK_FUZZ_TARGET(raft_frame, input) {
  using namespace mk;
  using namespace mk::quorum;
  auto message = decode_message(input);
  if (!message.ok()) return;
  const SharedBytes again = encode_message(*message);
  auto back = decode_message(again.view());
  MK_ASSERT(back.ok() && encode_message(*back).view() == again.view());
  const auto* append = std::get_if<Append>(&*message);
  if (append == nullptr) return;
  for (const LogEntry& entry : append->entries)
    if (auto members = decode_members(entry.data.view()); members.ok()) {
      auto same = decode_members(encode_members(*members).view());
      MK_ASSERT(same.ok() && encode_members(*same).view() == encode_members(*members).view());
    }
}
