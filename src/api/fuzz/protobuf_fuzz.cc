#include "mk/api/protobuf.h"

#include "fuzz/target.h"
#include "mk/base/assert.h"

// Any bytes: refused or decoded. What was decoded can be encoded and is then a fixed point.
MK_FUZZ_TARGET(protobuf, input) {
  const auto decoded = mk::api::decode_protobuf(input);
  if (!decoded.ok()) return;
  MK_ASSERT(mk::api::parse_json(mk::api::to_json(*decoded)).ok());
  const auto encoded = mk::api::encode_protobuf(*decoded);
  if (!encoded.ok()) return;  // JSON in the envelope may hold anything
  MK_ASSERT(mk::api::decode_protobuf(*encoded).ok());
}
