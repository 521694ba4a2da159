#include "messages.h"

// Anything that decodes encodes again to a frame that decodes alike.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view frame(reinterpret_cast<const char*>(data), size);
  auto message = mk::quorum::decode_message(frame);
  if (!message.ok()) return 0;
  const mk::SharedBytes again = mk::quorum::encode_message(*message);
  auto back = mk::quorum::decode_message(again.view());
  if (!back.ok() || mk::quorum::encode_message(*back).view() != again.view()) __builtin_trap();
  return 0;
}
