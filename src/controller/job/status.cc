#include "job/status.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "kit/objects.h"

namespace mk::controller::job {
namespace {

constexpr std::size_t kUncountedMost = 500;

void put_count(api::Json& status, const char* field, std::int64_t count) {
  if (count != 0) {
    api::set(status, field, count);
  } else {
    api::erase(status, field);
  }
}

void put_condition(api::Json& job, const Condition& condition, rt::WallTime now) {
  if (!set_condition(job, condition, now)) return;
  api::JsonArray conditions = api::list(job, "status.conditions");
  for (auto& one : conditions) {
    if (api::str(one, "type") == condition.type)
      api::set(one, "lastProbeTime", api::text(rt::format_time(now)));
  }
  api::set(job, "status.conditions", std::move(conditions));
}

// The two lists of uids, on their way from pods to numbers.
class Uncounted {
 public:
  explicit Uncounted(api::Json& status)
      : status_(status),
        succeeded_(api::list(status, "uncountedTerminatedPods.succeeded")),
        failed_(api::list(status, "uncountedTerminatedPods.failed")) {}

  void count(const std::vector<std::string>& succeeded, const std::vector<std::string>& failed,
             bool indexed) {
    if (!indexed) add_to("succeeded", static_cast<std::int64_t>(succeeded.size()));
    add_to("failed", static_cast<std::int64_t>(failed.size()));
    drop(succeeded_, succeeded);
    drop(failed_, failed);
  }
  bool full() const { return succeeded_.size() + failed_.size() >= kUncountedMost; }
  bool empty() const { return succeeded_.empty() && failed_.empty(); }
  void note_succeeded(const api::Object& pod) { succeeded_.push_back(api::text(pod.uid())); }
  void note_failed(const api::Object& pod) { failed_.push_back(api::text(pod.uid())); }

  void store() {
    api::JsonObject lists;
    if (!succeeded_.empty()) lists["succeeded"] = succeeded_;
    if (!failed_.empty()) lists["failed"] = failed_;
    api::set(status_, "uncountedTerminatedPods", std::move(lists));
  }

 private:
  void add_to(const char* field, std::int64_t count) {
    put_count(status_, field, api::num(status_, field) + count);
  }
  static void drop(api::JsonArray& list, const std::vector<std::string>& uids) {
    api::JsonArray kept;
    for (auto& uid : list) {
      const bool gone = uid.is_string() &&
                        std::find(uids.begin(), uids.end(), std::string_view(uid.get_string())) != uids.end();
      if (!gone) kept.push_back(uid);
    }
    list = std::move(kept);
  }

  api::Json& status_;
  api::JsonArray succeeded_, failed_;
};

bool awaits_successor(const Stock& stock, const Failure& failure) {
  if (!stock.shape.per_index || !failure.index) return false;
  const auto last = stock.last_failure.find(*failure.index);
  if (last == stock.last_failure.end() || last->second.pod.uid() != failure.pod.uid()) return false;
  // A successor that failed too would be the last failure itself.
  return std::none_of(stock.active.begin(), stock.active.end(),
                      [&failure](const api::Object& pod) { return index_of(pod) == failure.index; });
}

// Notes what has ended. False: pods are left that this step could not take.
bool note_ended(const Stock& stock, bool ending, Uncounted& uncounted, Step& step) {
  step.untrack = stock.recorded;
  bool all = true;
  for (const auto& pod : stock.succeeded) {
    if (!stock.shape.indexed) {
      if (uncounted.full()) return false;
      uncounted.note_succeeded(pod);
    }
    step.untrack.push_back(pod);
  }
  for (const auto& failure : stock.failed) {
    if (!ending && awaits_successor(stock, failure)) {
      all = false;
      continue;
    }
    if (failure.counts()) {
      if (uncounted.full()) return false;
      uncounted.note_failed(failure.pod);
    }
    step.untrack.push_back(failure.pod);
  }
  return all;
}

void follow_suspension(api::Json& job, const Stock& stock, rt::WallTime now) {
  const auto* suspended = find_condition(job, "Suspended");
  const bool was = suspended && api::str(*suspended, "status") == "True";
  if (stock.shape.suspended) {
    put_condition(job, Condition("Suspended", "True", "JobSuspended", "Job suspended"), now);
    api::erase(job, "status.startTime");
  } else {
    if (was) put_condition(job, Condition("Suspended", "False", "JobResumed", "Job resumed"), now);
    if (was || !api::find(job, "status.startTime"))
      api::set(job, "status.startTime", api::text(rt::format_time(now)));
  }
}

void follow_verdict(api::Json& job, const Verdict& verdict, bool all_ended, rt::WallTime now) {
  const bool success = verdict.kind == Verdict::Kind::kSuccess;
  put_condition(
      job,
      Condition(success ? "SuccessCriteriaMet" : "FailureTarget", "True", verdict.reason, verdict.message),
      now);
  if (!all_ended) return;
  put_condition(job, Condition(success ? "Complete" : "Failed", "True", verdict.reason, verdict.message),
                now);
  if (success) api::set(job, "status.completionTime", api::text(rt::format_time(now)));
}

void put_indexes(api::Json& status, const Stock& stock) {
  if (!stock.shape.indexed) return;
  const auto completed = stock.completed.str();
  if (completed.empty()) {
    api::erase(status, "completedIndexes");
  } else {
    api::set(status, "completedIndexes", api::text(completed));
  }
  put_count(status, "succeeded", stock.completed.count());
  if (stock.shape.per_index) api::set(status, "failedIndexes", api::text(stock.failed_indexes.str()));
}

}  // namespace

Step settle(const api::Object& job, const Stock& stock, const Verdict& verdict, std::int64_t created,
            std::int64_t removed, rt::WallTime now) {
  Step step;
  step.job = job.json();
  const auto* present = api::find(step.job, "status");
  api::Json status = present ? *present : api::Json(api::JsonObject());

  Uncounted uncounted(status);
  uncounted.count(stock.counted_succeeded, stock.counted_failed, stock.shape.indexed);
  const bool all_noted = note_ended(stock, bool(verdict) || job.deleting(), uncounted, step);
  uncounted.store();
  put_indexes(status, stock);
  put_count(status, "active", static_cast<std::int64_t>(stock.active.size()) + created - removed);
  api::set(status, "ready", removed > 0 && stock.shape.suspended ? 0 : stock.ready);
  api::set(status, "terminating", static_cast<std::int64_t>(stock.going.size()) + removed);
  api::set(step.job, "status", std::move(status));

  if (!job.deleting() && !verdict) follow_suspension(step.job, stock, now);
  const bool all_ended =
      all_noted && uncounted.empty() && step.untrack.empty() && stock.active.empty() && stock.going.empty();
  if (verdict) {
    if (!api::find(step.job, "status.startTime"))
      api::set(step.job, "status.startTime", api::text(rt::format_time(now)));
    follow_verdict(step.job, verdict, all_ended, now);
  }
  return step;
}

}  // namespace mk::controller::job
