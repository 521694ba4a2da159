#include "fuzz/lines.h"
#include "fuzz/target.h"
#include "mk/api/object.h"
#include "mk/api/schema.h"
#include "mk/base/assert.h"

// An object of a built-in kind: decoding and defaulting what was decoded and defaulted changes nothing more.
MK_FUZZ_TARGET(decode, input) {
  using namespace mk::api;
  auto lines = json_lines(input, 1);
  if (lines.empty()) return;
  const auto* type = builtin_schema().type(parse_gvk(str(lines[0], "apiVersion"), str(lines[0], "kind")));
  FieldProblems unknown;
  if (type == nullptr || !decode(*type, lines[0], unknown).ok()) return;
  apply_defaults(*type, lines[0]);
  mk::api::Json again = lines[0];
  FieldProblems none;
  MK_ASSERT(decode(*type, again, none).ok() && none.empty());
  apply_defaults(*type, again);
  MK_ASSERT(again == lines[0]);
}
