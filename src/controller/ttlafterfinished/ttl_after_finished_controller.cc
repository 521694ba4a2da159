#include "ttlafterfinished/ttl_after_finished_controller.h"

#include "kit/objects.h"

namespace mk::controller {

using api::resources::kJobs;

TtlAfterFinishedController::TtlAfterFinishedController(Context& context_)
    : Controller(context_, "ttl-after-finished-controller"), jobs_(watch(kJobs, self)) {}

std::optional<rt::WallTime> expiry_of(const api::Json& job) {
  if (!api::find(job, "spec.ttlSecondsAfterFinished")) return std::nullopt;
  for (const char* type : {"Complete", "Failed"}) {
    const auto* condition = find_condition(job, type);
    if (!condition || api::str(*condition, "status") != "True") continue;
    const auto since = time_at(*condition, "lastTransitionTime");
    if (since) return *since + std::chrono::seconds(api::num(job, "spec.ttlSecondsAfterFinished"));
  }
  return std::nullopt;
}

rt::Task<Result<void>> TtlAfterFinishedController::reconcile(api::Key key) {
  const auto job = jobs_.get(key);
  if (!job || job.deleting()) co_return ok();
  const auto expiry = expiry_of(job.json());
  if (!expiry) co_return ok();
  if (const auto left = *expiry - clock().now(); left > rt::Duration(0)) {
    enqueue_after(key, left);
    co_return ok();
  }
  // The time to live may just have been raised.
  const auto live = co_await client().get(kJobs, key);
  if (!live.ok()) co_return live.error().is(Reason::kNotFound) ? ok() : Result<void>(live.error());
  const auto now_expires = expiry_of(live->json());
  if (live->uid() != job.uid() || !now_expires || *now_expires > clock().now()) co_return ok();
  client::DeleteOptions options;
  options.uid = live->uid();
  options.resource_version = live->resource_version();
  options.propagation = "Foreground";
  const auto gone = co_await client().remove(kJobs, key, std::move(options));
  if (gone.ok() || gone.error().is(Reason::kNotFound)) co_return ok();
  co_return gone.error();
}

}  // namespace mk::controller
