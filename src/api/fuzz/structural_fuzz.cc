#include "mk/api/structural.h"

#include "fuzz/lines.h"
#include "fuzz/target.h"
#include "mk/base/assert.h"

// Three lines: a schema of a CRD, an object and what it was before. A schema that is allowed can be used.
MK_FUZZ_TARGET(structural, input) {
  using namespace mk::api;
  auto lines = json_lines(input, 3);
  if (lines.empty()) return;
  std::vector<mk::Cause> causes;
  check_structural(lines[0], "schema", causes);
  if (!causes.empty()) return;
  const StructuralSchema schema(lines[0], Gvk{"example.com", "v1", "Foo"});
  FieldProblems unknown;
  if (!schema.prune(lines[1], unknown).ok()) return;
  schema.apply_defaults(lines[1]);
  const Json once = lines[1];
  schema.apply_defaults(lines[1]);
  MK_ASSERT(once == lines[1]);
  schema.validate(lines[1], nullptr, causes);
  schema.validate(lines[1], &lines[2], causes);
}
