#include "job/job_controller.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "kit/objects.h"

namespace mk::controller {

using api::resources::kJobs;
using api::resources::kPods;
using job::Stock;
using job::Verdict;

namespace {

const api::Gvk kKind{"batch", "v1", "Job"};
constexpr char kSelf[] = "kubernetes.io/job-controller";

// Pods with the tracking finalizer, by their Job; those without a controller under the namespace alone.
const std::string kTrackedBy = "tracked by job";
std::vector<std::string> tracked_index(const api::Object& pod) {
  if (!job::tracked(pod)) return {};
  const auto* owner = api::controller_of(pod);
  return {queue_text(api::Key(std::string(pod.ns()), owner ? std::string(api::str(*owner, "name")) : ""))};
}

bool is_ours(const api::Json& job) {
  const auto manager = api::str(job, "spec.managedBy");
  return manager.empty() || manager == kSelf;
}

}  // namespace

JobController::JobController(Context& context_)
    : PodOwnerController(context_, {"job-controller", kJobs, kKind}) {
  context_.informers.indexed(kPods, kTrackedBy, tracked_index);
}

// Pods that lost their Job must lose the finalizer too, or they could never go.
void JobController::add_keys_of_pod(const api::Object& before, const api::Object& after, Keys& keys) {
  if (after && !api::controller_of(after) && job::tracked(after))
    keys.emplace_back(std::string(after.ns()), "");
}

std::int64_t JobController::size_of(const api::Object& job) const {
  return api::num(job.json(), "status.succeeded") + api::num(job.json(), "status.failed") +
         api::num(job.json(), "spec.parallelism", 1);
}

rt::Task<Result<void>> JobController::reconcile(api::Key key) {
  const auto job = owners().get(key);
  if (!job) {
    expectations().forget(queue_text(key));
    co_return co_await untrack_left_over(key);
  }
  if (!is_ours(job.json())) co_return ok();
  if (job::finished(job.json())) {
    co_return co_await untrack(pods().by_index(kTrackedBy, queue_text(key)));
  }
  std::function<bool(const api::Object&)> adoptable = [](const api::Object& pod) { return !pod.deleting(); };
  MK_CO_ASSIGN(auto owned, co_await claim_pods(job, std::move(adoptable), job::kTracking));
  co_return co_await step(job, std::move(owned));
}

rt::Task<Result<void>> JobController::step(api::Object job, std::vector<api::Object> pods) {
  const auto stock = job::take_stock(job.json(), pods);
  const auto verdict = job::judge(job.json(), stock, clock().now());
  Change change;
  if (may_count(job.key()) && !job.deleting()) change = co_await change_pods(job, stock, verdict);

  auto step = job::settle(job, stock, verdict, change.created, change.removed, clock().now());
  MK_CO_TRY(co_await write(job, std::move(step.job)));
  MK_CO_TRY(co_await untrack(std::move(step.untrack)));
  if (const auto left = job::deadline_in(job.json(), clock().now()); left && !verdict)
    enqueue_after(job.key(), std::max<rt::Duration>(*left, rt::Duration(0)));
  // Creation refused (quota, admission): try again with growing delay.
  if (!change.problem.reason.empty()) co_return Error(Reason::kUnknown, change.problem.message);
  co_return ok();
}

rt::Task<JobController::Change> JobController::change_pods(api::Object job, Stock stock, Verdict verdict) {
  Change change;
  if (verdict) {
    // Of a failed Job these count as failed; a successful one has no more use for them.
    if (verdict.kind == Verdict::Kind::kSuccess) {
      auto freed = co_await untrack(stock.active);
      if (!freed.ok()) co_return change;
    }
    change.removed = static_cast<std::int64_t>(stock.active.size());
    change.problem = co_await delete_pods(job, stock.active);
    co_return change;
  }
  auto todo = job::plan(job.json(), stock, clock().now());
  if (todo.wait) enqueue_after(job.key(), *todo.wait);
  if (!todo.remove.empty()) {
    // Pods that are too many have not failed.
    if (const auto freed = co_await untrack(todo.remove); !freed.ok()) co_return change;
    change.removed = static_cast<std::int64_t>(todo.remove.size());
    change.problem = co_await delete_pods(job, std::move(todo.remove));
    co_return change;
  }
  if (todo.create.empty()) co_return change;
  co_return co_await create(job, std::move(stock), std::move(todo));
}

rt::Task<JobController::Change> JobController::create(api::Object job, Stock stock, job::Todo todo) {
  const int count = static_cast<int>(todo.create.size());
  auto indexes = std::make_shared<std::vector<std::int64_t>>(std::move(todo.create));
  auto shared = std::make_shared<Stock>(std::move(stock));
  std::function<api::Json(int)> make = [job, shared, indexes](int i) {
    return job::make_pod(job, *shared, (*indexes)[static_cast<std::size_t>(i)]);
  };
  Change change;
  int made = 0;
  change.problem = co_await create_pods(job, count, std::move(make), &made);
  change.created = made;
  co_return change;
}

rt::Task<Result<void>> JobController::write(api::Object before, api::Json after) {
  if (after == before.json()) co_return ok();
  MK_CO_ASSIGN(const auto written, co_await client().update(kJobs, api::Object(std::move(after)), "status",
                                                            client::WriteOptions()));
  tell(written, before.json());
  co_return ok();
}

// Events about conditions that have just come.
void JobController::tell(const api::Object& job, const api::Json& before) {
  const auto turned = [&](const char* type, const char* status) {
    const auto* now = find_condition(job.json(), type);
    const auto* then = find_condition(before, type);
    const bool is = now && api::str(*now, "status") == status;
    return is && !(then && api::str(*then, "status") == status);
  };
  if (turned("Suspended", "True")) event(job, "Normal", "Suspended", "Job suspended");
  if (turned("Suspended", "False")) event(job, "Normal", "Resumed", "Job resumed");
  if (turned("Complete", "True")) event(job, "Normal", "Completed", "Job completed");
  if (!turned("Failed", "True")) return;
  const auto* failed = find_condition(job.json(), "Failed");
  event(job, "Warning", std::string(api::str(*failed, "reason")), std::string(api::str(*failed, "message")));
}

rt::Task<Result<void>> JobController::untrack(std::vector<api::Object> pods) {
  auto outcome = std::make_shared<Result<void>>(ok());
  std::vector<rt::Task<>> tasks;
  for (const auto& pod : pods) {
    if (job::tracked(pod)) tasks.push_back(untrack_one(pod, outcome));
  }
  co_await run_all(std::move(tasks));
  co_return *outcome;
}

rt::Task<> JobController::untrack_one(api::Object pod, std::shared_ptr<Result<void>> outcome) {
  api::Json patch;
  api::set(patch, "metadata.uid", api::text(pod.uid()));
  api::set(patch, "metadata.$deleteFromPrimitiveList/finalizers", api::JsonArray{job::kTracking});
  auto done = co_await client().patch(kPods, pod.key(), "", client::PatchType::kStrategicMerge,
                                      std::move(patch), client::WriteOptions());
  // A pod that is gone or has been replaced has no finalizer of ours.
  if (done.ok() || done.error().is(Reason::kNotFound) || done.error().is(Reason::kConflict)) co_return;
  *outcome = std::move(done).error();
}

// The Job is not in the cache: if it is not on the server either, nobody counts its pods any more.
rt::Task<Result<void>> JobController::untrack_left_over(api::Key key) {
  auto left = pods().by_index(kTrackedBy, queue_text(key));
  if (left.empty()) co_return ok();
  if (!key.name.empty()) {
    const auto live = co_await client().get(kJobs, key);
    if (live.ok()) co_return ok();  // it comes to the cache, and wakes us
    if (!live.error().is(Reason::kNotFound)) co_return live.error();
  }
  co_return co_await untrack(std::move(left));
}

}  // namespace mk::controller
