#include "fuzz/lines.h"
#include "fuzz/target.h"
#include "mk/api/patch.h"

// Two lines: an object, taken for a Pod, and its patch.
MK_FUZZ_TARGET(strategic_patch, input) {
  using namespace mk::api;
  static const Type& type = *builtin_schema().type(Gvk{"", "v1", "Pod"});
  auto lines = json_lines(input, 2);
  FieldProblems unknown;
  if (lines.empty() || !decode(type, lines[0], unknown).ok()) return;
  auto patched = apply_strategic_merge_patch(type, lines[0], lines[1]);
  if (patched.ok()) (void)decode(type, *patched, unknown).ok();
}
