#include "fuzz/target.h"
#include "mk/api/schema.h"
#include "mk/base/assert.h"

// What is parsed can be written and parsed again; looking for repeated keys needs no valid text.
MK_FUZZ_TARGET(json, input) {
  using namespace mk::api;
  const auto repeated = find_duplicate_keys(input);
  (void)in_document_order(input, {"unknown field \"a.b[0]\""}, repeated);
  const auto parsed = parse_json(input);
  if (!parsed.ok()) return;
  MK_ASSERT(parse_json(to_json(*parsed)).ok());
  MK_ASSERT(parse_json(to_pretty_json(*parsed)).ok());
}
