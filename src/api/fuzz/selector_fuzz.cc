#include "fuzz/target.h"
#include "mk/api/selector.h"
#include "mk/base/assert.h"

MK_FUZZ_TARGET(selector, input) {
  using namespace mk::api;
  (void)parse_field_selector(input).ok();
  if (const auto json = parse_json(input); json.ok()) (void)LabelSelector::from_json(&*json).ok();
  const auto selector = LabelSelector::parse(input);
  if (!selector.ok()) return;
  JsonObject labels;
  labels["a"] = "1";
  (void)selector->matches(labels);
  MK_ASSERT(LabelSelector::parse(selector->str()).ok());
}
