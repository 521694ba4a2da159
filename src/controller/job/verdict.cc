#include <algorithm>
#include <boost/json/array.hpp>

#include "job/plan.h"
#include "kit/objects.h"

namespace mk::controller::job {
namespace {

bool is_true(const api::Json* condition) {
  return condition && api::str(*condition, "status") == "True";
}

Verdict make(Verdict::Kind kind, std::string_view reason, std::string_view message) {
  Verdict verdict;
  verdict.kind = kind;
  verdict.reason = reason;
  verdict.message = message;
  return verdict;
}

Verdict failure(std::string_view reason, std::string_view message) {
  return make(Verdict::Kind::kFailure, reason, message);
}

// What was decided before stays.
Verdict decided(const api::Json& job) {
  const std::pair<std::string_view, Verdict::Kind> kinds[] = {
      {"FailureTarget", Verdict::Kind::kFailure}, {"SuccessCriteriaMet", Verdict::Kind::kSuccess}};
  for (const auto& [type, kind] : kinds) {
    const auto* condition = find_condition(job, type);
    if (is_true(condition))
      return make(kind, api::str(*condition, "reason"), api::str(*condition, "message"));
  }
  return {};
}

// Containers restarted in place count too.
bool restarted_too_often(const api::Json& job, const Stock& stock) {
  if (api::str(job, "spec.template.spec.restartPolicy") != "OnFailure") return false;
  std::int64_t restarts = 0;
  for (const auto& pod : stock.active) {
    for (const char* field : {"status.initContainerStatuses", "status.containerStatuses"}) {
      for (const auto& container : api::list(pod.json(), field))
        restarts += api::num(container, "restartCount");
    }
  }
  const auto limit = api::num(job, "spec.backoffLimit", 6);
  return limit == 0 ? restarts > 0 : restarts >= limit;
}

Verdict judge_failure(const api::Json& job, const Stock& stock, rt::WallTime now) {
  if (stock.fail_job) return failure("PodFailurePolicy", *stock.fail_job);
  if (stock.failed_total > api::num(job, "spec.backoffLimit", 6) || restarted_too_often(job, stock))
    return failure("BackoffLimitExceeded", "Job has reached the specified backoff limit");
  const auto left = deadline_in(job, now);
  if (left && *left <= rt::Duration(0))
    return failure("DeadlineExceeded", "Job was active longer than specified deadline");
  const auto failed = stock.failed_indexes.count();
  if (!stock.shape.per_index || failed == 0) return {};
  if (api::find(job, "spec.maxFailedIndexes") && failed > api::num(job, "spec.maxFailedIndexes"))
    return failure("MaxFailedIndexesExceeded",
                   "Job has exceeded the specified maximal number of failed indexes");
  if (failed + stock.completed.count() >= stock.shape.completions.value_or(0))
    return failure("FailedIndexes", "Job has failed indexes");
  return {};
}

Verdict judge_success(const api::Json& job, const Stock& stock) {
  const auto success = [](std::string_view reason, std::string_view message) {
    return make(Verdict::Kind::kSuccess, reason, message);
  };
  const auto& completions = stock.shape.completions;
  if (stock.shape.indexed) {
    if (const auto rule = match_success(job, stock.completed, completions.value_or(0)))
      return success("SuccessPolicy", *rule);
  }
  const bool done = completions ? stock.succeeded_total >= *completions
                                : stock.succeeded_total > 0 && stock.active.empty() && stock.going.empty();
  if (!done) return {};
  return success("CompletionsReached", "Reached expected number of succeeded pods");
}

}  // namespace

bool finished(const api::Json& job) {
  return is_true(find_condition(job, "Complete")) || is_true(find_condition(job, "Failed"));
}

std::optional<rt::Duration> deadline_in(const api::Json& job, rt::WallTime now) {
  const auto started = time_at(job, "status.startTime");
  if (!started || api::flag(job, "spec.suspend") || !api::find(job, "spec.activeDeadlineSeconds"))
    return std::nullopt;
  return *started + std::chrono::seconds(api::num(job, "spec.activeDeadlineSeconds")) - now;
}

Verdict judge(const api::Json& job, const Stock& stock, rt::WallTime now) {
  if (auto before = decided(job)) return before;
  if (auto failed = judge_failure(job, stock, now)) return failed;
  return judge_success(job, stock);
}

}  // namespace mk::controller::job
