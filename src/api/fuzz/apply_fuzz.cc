#include "fuzz/lines.h"
#include "fuzz/target.h"
#include "mk/api/patch.h"
#include "mk/base/assert.h"

// Two lines: the live Deployment with its managedFields, and what is applied to it or written over it.
// Whoever applied owns the outcome: applying the same again is no conflict.
MK_FUZZ_TARGET(apply, input) {
  using namespace mk::api;
  static const Type& type = *builtin_schema().type(Gvk{"apps", "v1", "Deployment"});
  auto lines = json_lines(input, 2);
  FieldProblems unknown;
  if (lines.empty() || !decode(type, lines[0], unknown).ok() || !decode(type, lines[1], unknown).ok()) return;
  ApplyOptions options;
  options.manager = "m";
  options.api_version = "apps/v1";
  options.now = "2026-01-01T00:00:00Z";
  options.reset_fields = {"status"};
  for (const bool force : {false, true}) {
    options.force = force;
    auto applied = server_side_apply(type, &lines[0], lines[1], options);
    if (!applied.ok() || !decode(type, *applied, unknown).ok()) continue;
    options.force = false;
    const auto again = server_side_apply(type, &*applied, lines[1], options);
    MK_ASSERT(again.ok() || !again.error().is(mk::Reason::kConflict));
  }
  (void)server_side_apply(type, nullptr, lines[1], options).ok();
  if (lines[1].is_object()) track_update(type, &lines[0], lines[1], options);
}
