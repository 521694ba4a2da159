#include <cstdint>

#include "mk/api/protobuf.h"
#include "mk/base/assert.h"

// Any bytes: refused or decoded. What was decoded can be encoded and is then a fixed point.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto decoded = mk::api::decode_protobuf({reinterpret_cast<const char*>(data), size});
  if (!decoded.ok()) return 0;
  MK_ASSERT(mk::api::parse_json(mk::api::to_json(*decoded)).ok());
  const auto encoded = mk::api::encode_protobuf(*decoded);
  if (!encoded.ok()) return 0;  // JSON in the envelope may hold anything
  const auto again = mk::api::decode_protobuf(*encoded);
  MK_ASSERT(again.ok());
  return 0;
}
