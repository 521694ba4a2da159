#include <cstdint>

#include "mk/api/selector.h"
#include "mk/base/assert.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)mk::api::parse_field_selector(text).ok();
  const auto selector = mk::api::LabelSelector::parse(text);
  if (!selector.ok()) return 0;
  MK_ASSERT(mk::api::LabelSelector::parse(selector->str()).ok());
  return 0;
}
