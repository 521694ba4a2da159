#include <cstdint>

#include "mk/api/json.h"
#include "mk/base/assert.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto parsed = mk::api::parse_json({reinterpret_cast<const char*>(data), size});
  if (!parsed.ok()) return 0;
  MK_ASSERT(mk::api::parse_json(mk::api::to_json(*parsed)).ok());
  MK_ASSERT(mk::api::parse_json(mk::api::to_pretty_json(*parsed)).ok());
  return 0;
}
