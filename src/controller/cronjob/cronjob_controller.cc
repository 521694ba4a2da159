#include "cronjob/cronjob_controller.h"

#include <boost/json/array.hpp>

#include "kit/objects.h"

namespace mk::controller {

using api::resources::kJobs;
namespace {
const api::Gvr kCronJobs{"batch", "v1", "cronjobs"};
const api::Gvk kKind{"batch", "v1", "CronJob"};
}  // namespace

CronJobController::CronJobController(Context& context_)
    : Controller(context_, "cronjob-controller"),
      crons_(watch(kCronJobs, self)),
      jobs_(watch_owned(kJobs, controllers(kKind))) {}

rt::Task<Result<void>> CronJobController::reconcile(api::Key key) {
  const auto cron = crons_.get(key);
  if (!cron) co_return ok();
  const auto jobs = jobs_.by_index(kByController, std::string(cron.uid()));
  api::Json changed = cron.json();
  MK_CO_TRY(co_await trim_history(cron, jobs));
  MK_CO_TRY(co_await follow_jobs(cron, jobs, changed));
  auto started = ok();
  if (!cron.deleting() && !api::flag(cron.json(), "spec.suspend"))
    started = co_await start_due(cron, changed);
  if (changed != cron.json()) {
    MK_CO_TRY(co_await client().update(kCronJobs, api::Object(std::move(changed)), "status",
                                       client::WriteOptions()));
  }
  co_return started;
}

// What became of the jobs that were active.
rt::Task<Result<void>> CronJobController::follow_jobs(api::Object cron, std::vector<api::Object> jobs,
                                                      api::Json& changed) {
  std::set<std::string> present;
  for (const auto& job : jobs) {
    const std::string uid(job.uid());
    present.insert(uid);
    const bool active = cronjob::is_active(changed, uid);
    std::string_view condition;
    const bool finished = cronjob::job_finished(job.json(), &condition);
    if (!active && !finished && cronjob::forgotten(cron, job)) {
      cronjob::add_active(changed, job);
    } else if (!active && !finished && !job.deleting()) {
      event(cron, "Warning", "UnexpectedJob",
            "Saw a job that the controller did not create or forgot: " + std::string(job.name()));
    } else if (active && finished) {
      cronjob::remove_active(changed, uid);
      event(cron, "Normal", "SawCompletedJob",
            "Saw completed job: " + std::string(job.name()) + ", condition: " + std::string(condition));
    }
    const auto done = time_at(job.json(), "status.completionTime");
    if (condition != "Complete" || !done) continue;
    const auto last = time_at(changed, "status.lastSuccessfulTime");
    if (!last || *last < *done)
      api::set(changed, "status.lastSuccessfulTime", api::text(rt::format_time(*done)));
  }
  const api::JsonArray active = api::list(changed, "status.active");
  for (const auto& one : active) {
    const std::string uid(api::str(one, "uid")), name(api::str(one, "name"));
    if (present.count(uid) != 0) continue;
    // It may have been made so recently that the cache does not show it yet.
    const auto live = co_await client().get(kJobs, api::Key(std::string(cron.ns()), name));
    if (!live.ok() && !live.error().is(Reason::kNotFound)) co_return live.error();
    if (live.ok() && live->uid() == uid) continue;
    cronjob::remove_active(changed, uid);
    event(cron, "Normal", "MissingJob", "Active job went missing: " + name);
  }
  co_return ok();
}

rt::Task<Result<void>> CronJobController::trim_history(api::Object cron, std::vector<api::Object> jobs) {
  for (const auto& job : cronjob::beyond_history(cron.json(), jobs)) {
    MK_CO_TRY(co_await remove_job(cron, job.key(), std::string(job.uid())));
  }
  co_return ok();
}

rt::Task<Result<void>> CronJobController::start_due(api::Object cron, api::Json& changed) {
  const auto now = clock().now();
  cronjob::Due due;
  if (const auto refused = cronjob::due(cron, cronjob::seconds_of(now), due)) {
    event(cron, "Warning", refused->reason, refused->message);
    co_return ok();  // nothing to do before the spec changes
  }
  if (due.next) enqueue_after(cron.key(), rt::WallTime(due.next->time_since_epoch()) - now);
  if (!due.start) co_return ok();
  if (due.many_missed) {
    event(cron, "Warning", "TooManyMissedTimes",
          "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew");
  }
  const auto policy = api::str(cron.json(), "spec.concurrencyPolicy");
  if (policy == "Forbid" && !api::list(changed, "status.active").empty()) {
    // The end of the running one wakes this CronJob; the missed time then counts unless it is too late.
    event(cron, "Normal", "JobAlreadyActive",
          "Not starting job because prior execution is running and concurrency policy is Forbid");
    co_return ok();
  }
  if (policy == "Replace") MK_CO_TRY(co_await end_active(cron, changed));
  co_return co_await start_job(cron, *due.start, due.zone, changed);
}

rt::Task<Result<void>> CronJobController::end_active(api::Object cron, api::Json& changed) {
  const api::JsonArray active = api::list(changed, "status.active");
  for (const auto& one : active) {
    const std::string uid(api::str(one, "uid"));
    const api::Key key(std::string(cron.ns()), std::string(api::str(one, "name")));
    MK_CO_TRY(co_await remove_job(cron, key, uid));
    cronjob::remove_active(changed, uid);
  }
  co_return ok();
}

rt::Task<Result<void>> CronJobController::start_job(api::Object cron, api::Seconds scheduled,
                                                    api::TimeZone zone, api::Json& changed) {
  auto made = co_await make_job(cron, scheduled, std::move(zone));
  if (!made.ok()) {
    if (namespace_terminating(made.error())) co_return ok();
    event(cron, "Warning", "FailedCreate", "Error creating job: " + made.error().message());
    co_return std::move(made).error();
  }
  if (!cronjob::job_finished(made->json()) && !cronjob::is_active(changed, made->uid()))
    cronjob::add_active(changed, *made);
  api::set(changed, "status.lastScheduleTime",
           api::text(rt::format_time(rt::WallTime(scheduled.time_since_epoch()))));
  co_return ok();
}

// The job of that time, made now or by a run whose status was not written.
rt::Task<Result<api::Object>> CronJobController::make_job(api::Object cron, api::Seconds scheduled,
                                                          api::TimeZone zone) {
  const std::string ns(cron.ns());
  api::Object job(cronjob::make_job(cron, scheduled, zone));
  const api::Key key = job.key();
  auto made = co_await client().create(kJobs, ns, std::move(job), client::WriteOptions());
  if (made.ok()) {
    event(cron, "Normal", "SuccessfulCreate", "Created job " + key.name);
    co_return made;
  }
  if (!made.error().is(Reason::kAlreadyExists)) co_return made;
  auto present = co_await client().get(kJobs, key);
  if (present.ok() && !controlled_by(*present, cron.uid())) co_return made;
  co_return present;
}

rt::Task<Result<void>> CronJobController::remove_job(api::Object cron, api::Key key, std::string uid) {
  client::DeleteOptions options;
  options.uid = std::move(uid);
  options.propagation = "Background";
  auto gone = co_await client().remove(kJobs, key, std::move(options));
  if (gone.ok()) {
    event(cron, "Normal", "SuccessfulDelete", "Deleted job " + key.name);
    co_return ok();
  }
  if (gone.error().is(Reason::kNotFound) || gone.error().is(Reason::kConflict)) co_return ok();
  event(cron, "Warning", "FailedDelete", "Deleted job: " + gone.error().message());
  co_return std::move(gone).error();
}

}  // namespace mk::controller
