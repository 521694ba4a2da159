#include "job/stock.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <unordered_map>
#include <unordered_set>

#include "kit/objects.h"
#include "mk/base/strings.h"

namespace mk::controller::job {

Shape::Shape(const api::Json& job) {
  indexed = api::str(job, "spec.completionMode") == "Indexed";
  per_index = indexed && api::find(job, "spec.backoffLimitPerIndex") != nullptr;
  suspended = api::flag(job, "spec.suspend");
  replace_failed_only = api::str(job, "spec.podReplacementPolicy") == "Failed";
  if (api::find(job, "spec.completions")) completions = api::num(job, "spec.completions");
  parallelism = api::num(job, "spec.parallelism", 1);
}

bool tracked(const api::Object& pod) {
  const auto& finalizers = api::list(pod.json(), "metadata.finalizers");
  return std::find(finalizers.begin(), finalizers.end(), api::Json(kTracking)) != finalizers.end();
}

std::optional<std::int64_t> index_of(const api::Object& pod) {
  const auto index = parse_int(pod.annotation(kIndex));
  return index && *index >= 0 ? index : std::nullopt;
}

bool ended_badly(const Shape& shape, const api::Object& pod) {
  const auto phase = api::str(pod.json(), "status.phase");
  if (phase == "Failed") return true;
  if (phase == "Succeeded" || !pod.deleting()) return false;
  // Nobody will ever say of an unassigned pod that it failed.
  return !shape.replace_failed_only || api::str(pod.json(), "spec.nodeName").empty();
}

namespace {

std::unordered_set<std::string_view> uids_at(const api::Json& job, std::string_view path) {
  std::unordered_set<std::string_view> uids;
  for (const auto& uid : api::list(job, path)) {
    if (uid.is_string()) uids.emplace(uid.get_string());
  }
  return uids;
}

rt::WallTime finished_at(const api::Object& pod) {
  std::optional<rt::WallTime> latest;
  for (const auto& container : api::list(pod.json(), "status.containerStatuses")) {
    const auto at = time_at(container, "state.terminated.finishedAt");
    if (at && (!latest || *at > *latest)) latest = at;
  }
  if (latest) return *latest;
  if (const auto* ready = find_condition(pod.json(), "Ready")) {
    if (const auto at = time_at(*ready, "lastTransitionTime")) return *at;
  }
  if (const auto at = time_at(pod.json(), "metadata.deletionTimestamp")) {
    return *at - std::chrono::seconds(api::num(pod.json(), "metadata.deletionGracePeriodSeconds"));
  }
  return created_at(pod);
}

Failure failure_of(const api::Json& job, const Shape& shape, const api::Object& pod) {
  Failure failure;
  failure.pod = pod;
  failure.match = match_failure(job, pod);
  failure.at = finished_at(pod);
  if (shape.indexed) failure.index = index_of(pod);
  failure.counted = parse_int(pod.annotation(kIndexFailures)).value_or(0) + (failure.counts() ? 1 : 0);
  failure.ignored = parse_int(pod.annotation(kIndexIgnored)).value_or(0) + (failure.counts() ? 0 : 1);
  return failure;
}

// Sorts a Job's pods into its stock.
class Taker {
 public:
  Taker(const api::Json& job, Stock& stock)
      : job_(job),
        stock_(stock),
        known_succeeded_(uids_at(job, "status.uncountedTerminatedPods.succeeded")),
        known_failed_(uids_at(job, "status.uncountedTerminatedPods.failed")) {
    const auto limit = stock.shape.completions.value_or(0);
    if (!stock.shape.indexed) return;
    stock.completed = IndexSet::parse(api::str(job, "status.completedIndexes"), limit);
    if (stock.shape.per_index)
      stock.failed_indexes = IndexSet::parse(api::str(job, "status.failedIndexes"), limit);
  }

  void take(const api::Object& pod) {
    const bool bad = ended_badly(stock_.shape, pod);
    const bool good = !bad && api::str(pod.json(), "status.phase") == "Succeeded";
    if (!bad && !good && !pod.deleting()) {
      stock_.active.push_back(pod);
      if (pod_ready(pod.json())) ++stock_.ready;
    }
    if (pod.deleting() && !pod_finished(pod.json())) stock_.going.push_back(pod);
    if (bad || good) stock_.history.emplace_back(finished_at(pod), bad);
    if (good) take_succeeded(pod);
    if (bad) take_failed(pod);
  }

  void total() {
    sum_known();
    std::sort(stock_.history.begin(), stock_.history.end());
    std::erase_if(stock_.last_failure, [this](const auto& entry) { return stock_.resolved(entry.first); });
    const auto& status = job_;
    auto& total = stock_.succeeded_total;
    if (stock_.shape.indexed) {
      total = stock_.completed.count();
    } else {
      total = api::num(status, "status.succeeded") + static_cast<std::int64_t>(known_succeeded_.size()) +
              static_cast<std::int64_t>(stock_.succeeded.size());
    }
    stock_.failed_total = api::num(status, "status.failed") +
                          static_cast<std::int64_t>(known_failed_.size()) +
                          std::count_if(stock_.failed.begin(), stock_.failed.end(),
                                        [](const Failure& failure) { return failure.counts(); });
  }

 private:
  // Is its end in the status already, or none of this Job's business?
  bool recorded(const api::Object& pod) {
    if (!tracked(pod)) return true;
    if (known_succeeded_.count(pod.uid()) == 0 && known_failed_.count(pod.uid()) == 0) return false;
    still_tracked_.emplace(pod.uid());
    stock_.recorded.push_back(pod);
    return true;
  }

  bool counts_for_index(const std::optional<std::int64_t>& index) const {
    return !stock_.shape.indexed || (index && *index < stock_.shape.completions.value_or(0));
  }

  void take_succeeded(const api::Object& pod) {
    const auto index = index_of(pod);
    if (recorded(pod)) return;
    if (!counts_for_index(index)) {
      stock_.recorded.push_back(pod);
      return;
    }
    if (stock_.shape.indexed) stock_.completed.add(*index);
    stock_.succeeded.push_back(pod);
  }

  void take_failed(const api::Object& pod) {
    auto failure = failure_of(job_, stock_.shape, pod);
    const bool counts = counts_for_index(failure.index);
    if (counts && failure.match.action == FailureAction::kFailJob && !stock_.fail_job)
      stock_.fail_job = failure.match.message;
    if (counts && stock_.shape.per_index) note_index(failure);
    if (recorded(pod)) return;
    if (counts) {
      stock_.failed.push_back(std::move(failure));
    } else {
      stock_.recorded.push_back(pod);
    }
  }

  void note_index(const Failure& failure) {
    const bool hopeless = failure.match.action == FailureAction::kFailIndex ||
                          failure.counted > api::num(job_, "spec.backoffLimitPerIndex");
    if (hopeless) {
      if (!stock_.completed.contains(*failure.index)) stock_.failed_indexes.add(*failure.index);
      return;
    }
    auto& last = stock_.last_failure[*failure.index];
    const auto attempts = [](const Failure& one) { return one.counted + one.ignored; };
    if (!last.pod || attempts(last) < attempts(failure)) last = failure;
  }

  // Uids in the status become numbers once their pod is seen without the finalizer, or not at all.
  void sum_known() {
    for (const auto uid : known_succeeded_) {
      if (still_tracked_.count(uid) == 0) stock_.counted_succeeded.emplace_back(uid);
    }
    for (const auto uid : known_failed_) {
      if (still_tracked_.count(uid) == 0) stock_.counted_failed.emplace_back(uid);
    }
  }

  const api::Json& job_;
  Stock& stock_;
  std::unordered_set<std::string_view> known_succeeded_, known_failed_, still_tracked_;
};

}  // namespace

Stock take_stock(const api::Json& job, const std::vector<api::Object>& pods) {
  Stock stock(job);
  Taker taker(job, stock);
  for (const auto& pod : pods) taker.take(pod);
  taker.total();
  return stock;
}

}  // namespace mk::controller::job
