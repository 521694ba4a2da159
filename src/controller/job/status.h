#pragma once

#include <vector>

#include "job/plan.h"

namespace mk::controller::job {

// What one step writes.
struct Step {
  api::Json job;                     // with its new status
  std::vector<api::Object> untrack;  // lose the finalizer once the status is stored
};

// The status that follows from stock and verdict: newly ended pods are noted by uid, those noted before and
// untracked since become numbers, conditions follow. `created` and `removed` count pods of this step.
// A failed pod whose index will be tried again keeps its finalizer until it has a successor, which learns
// from it how often the index has failed.
Step settle(const api::Object& job, const Stock& stock, const Verdict& verdict, std::int64_t created,
            std::int64_t removed, rt::WallTime now);

}  // namespace mk::controller::job
