#include "fuzz/lines.h"
#include "fuzz/target.h"
#include "mk/api/patch.h"
#include "mk/base/assert.h"

// Two lines: a document and its patch. Patching twice changes nothing more (RFC 7386).
MK_FUZZ_TARGET(merge_patch, input) {
  using namespace mk::api;
  const auto lines = json_lines(input, 2);
  if (lines.empty()) return;
  const auto once = apply_merge_patch(lines[0], lines[1]);
  if (!once.ok()) return;
  const auto twice = apply_merge_patch(*once, lines[1]);
  MK_ASSERT(twice.ok() && *twice == *once);
}
