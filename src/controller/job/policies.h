#pragma once

#include <optional>
#include <string>

#include "job/indexes.h"
#include "mk/api/object.h"

// What a Job's podFailurePolicy (KEP-3329) and successPolicy (KEP-3998) say. Pure.
namespace mk::controller::job {

enum class FailureAction { kCount, kIgnore, kFailIndex, kFailJob };
struct FailureMatch {
  FailureAction action = FailureAction::kCount;
  std::string message;  // of kFailJob, for the condition
};
// The first rule that matches a failed pod; kCount when there is none.
FailureMatch match_failure(const api::Json& job, const api::Object& pod);

// The message of the rule that the completed indexes satisfy, if there is one.
std::optional<std::string> match_success(const api::Json& job, const IndexSet& completed,
                                         std::int64_t completions);

}  // namespace mk::controller::job
