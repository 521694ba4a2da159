#include "fuzz/target.h"
#include "mk/api/schema.h"
#include "mk/base/assert.h"

// What was read and written reads as the same.
MK_FUZZ_TARGET(yaml, input) {
  using namespace mk::api;
  FieldProblems repeated;
  (void)parse_yaml(input, repeated).ok();
  const auto documents = parse_yaml_documents(input);
  if (!documents.ok()) return;
  for (const auto& document : *documents) {
    const auto again = parse_yaml(to_yaml(document));
    MK_ASSERT(again.ok());
    MK_ASSERT(to_json(*again) == to_json(document));
  }
}
