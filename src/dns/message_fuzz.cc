#include "message.h"

#include "fuzz/target.h"
#include "mk/base/assert.h"

// Packets of pods and of upstream servers: what was understood is written within its size and read again.
MK_FUZZ_TARGET(message, input) {
  using namespace mk::dns;
  const auto message = decode(input);
  if (!message.ok()) {
    const auto refusal = form_error_for(input);
    MK_ASSERT(refusal.empty() || decode(refusal).ok());
    return;
  }
  for (const auto& question : message->questions) (void)name_to_text(question.name);
  for (const std::size_t size : {512, 65535}) {
    const auto packet = encode(*message, size);
    MK_ASSERT(packet.size() <= size);
    MK_ASSERT(decode(packet).ok());
  }
}
