#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "job/indexes.h"
#include "job/policies.h"
#include "mk/api/object.h"
#include "mk/rt/clock.h"

// What there is of a Job: its pods, and what its status knows already. Pure.
//
// Nothing is counted twice or lost (KEP-2307): a pod carries the tracking finalizer until its uid stands in
// status.uncountedTerminatedPods; only when the cache shows it without the finalizer does the uid become a
// number.
namespace mk::controller::job {

inline constexpr char kTracking[] = "batch.kubernetes.io/job-tracking";
inline constexpr char kIndex[] = "batch.kubernetes.io/job-completion-index";
inline constexpr char kIndexFailures[] = "batch.kubernetes.io/job-index-failure-count";
inline constexpr char kIndexIgnored[] = "batch.kubernetes.io/job-index-ignored-failure-count";

struct Shape {
  explicit Shape(const api::Json& job);
  bool indexed = false, per_index = false, suspended = false;
  bool replace_failed_only = false;         // a pod that is going still holds its place
  std::optional<std::int64_t> completions;  // absent: done when any pod succeeds
  std::int64_t parallelism = 1;
};

struct Failure {
  api::Object pod;
  FailureMatch match;
  std::optional<std::int64_t> index;
  rt::WallTime at{};
  // Failures of the pod's index, this one included.
  std::int64_t counted = 0, ignored = 0;
  bool counts() const { return match.action != FailureAction::kIgnore; }
};

struct Stock {
  explicit Stock(const api::Json& job) : shape(job) {}

  Shape shape;
  std::vector<api::Object> active;                             // neither finished nor going
  std::vector<api::Object> going;                              // being deleted, not finished
  std::vector<api::Object> succeeded;                          // not in the status yet
  std::vector<Failure> failed;                                 // not in the status yet
  std::vector<api::Object> recorded;                           // in the status, still with the finalizer
  std::vector<std::string> counted_succeeded, counted_failed;  // uncounted uids that may become numbers now

  IndexSet completed, failed_indexes;
  std::map<std::int64_t, Failure> last_failure;  // of each index that is neither completed nor failed
  std::int64_t succeeded_total = 0, failed_total = 0;
  std::int64_t ready = 0;
  std::optional<std::string> fail_job;  // the message of the rule that says so

  // When pods finished, and whether they failed; in that order, for the back-off.
  std::vector<std::pair<rt::WallTime, bool>> history;

  bool resolved(std::int64_t index) const {
    return completed.contains(index) || failed_indexes.contains(index);
  }
};

bool tracked(const api::Object& pod);
std::optional<std::int64_t> index_of(const api::Object& pod);
// A pod that can count as failed: it did, or it is going and its place may be taken at once, or it is going
// and never ran.
bool ended_badly(const Shape& shape, const api::Object& pod);

Stock take_stock(const api::Json& job, const std::vector<api::Object>& pods);

}  // namespace mk::controller::job
