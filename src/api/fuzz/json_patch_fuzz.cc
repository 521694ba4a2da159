#include "fuzz/lines.h"
#include "fuzz/target.h"
#include "mk/api/patch.h"

// Two lines: a document and operations on it.
MK_FUZZ_TARGET(json_patch, input) {
  using namespace mk::api;
  const auto lines = json_lines(input, 2);
  if (!lines.empty()) (void)apply_json_patch(lines[0], lines[1]).ok();
}
