#pragma once

#include "cronjob/plan.h"
#include "kit/controller.h"

namespace mk::controller {

// Makes a Job whenever a CronJob's schedule says so. Each CronJob has one timer, for its next time.
class CronJobController : public Controller {
 public:
  explicit CronJobController(Context& context);

 private:
  rt::Task<Result<void>> reconcile(api::Key key) override;

  // Each of these brings `changed` (the CronJob with the status to be written) one step further.
  rt::Task<Result<void>> follow_jobs(api::Object cron, std::vector<api::Object> jobs, api::Json& changed);
  rt::Task<Result<void>> trim_history(api::Object cron, std::vector<api::Object> jobs);
  rt::Task<Result<void>> start_due(api::Object cron, api::Json& changed);
  rt::Task<Result<void>> start_job(api::Object cron, api::Seconds scheduled, api::TimeZone zone,
                                   api::Json& changed);
  rt::Task<Result<void>> end_active(api::Object cron, api::Json& changed);
  rt::Task<Result<api::Object>> make_job(api::Object cron, api::Seconds scheduled, api::TimeZone zone);
  rt::Task<Result<void>> remove_job(api::Object cron, api::Key key, std::string uid);

  client::Informer& crons_;
  client::Informer& jobs_;
};

}  // namespace mk::controller
