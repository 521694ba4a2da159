#include <cstdint>

#include "mk/api/json.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto documents = mk::api::parse_yaml_documents({reinterpret_cast<const char*>(data), size});
  if (!documents.ok()) return 0;
  for (const auto& document : *documents) (void)mk::api::parse_yaml(mk::api::to_yaml(document)).ok();
  return 0;
}
