#include "registry/strategies/cron_schedule.h"
#include "registry/strategies/job_spec.h"
#include "registry/strategies/pod_spec.h"
#include "registry/strategies/strategies.h"
#include "registry/strategies/workload.h"

namespace mk::apiserver {

using api::Json;

namespace {

constexpr std::size_t kNameMax = 52;  // eleven more are appended for the names of jobs

void validate_schedule(const Json& spec, const Path& path, Report& report) {
  const auto schedule = api::str(spec, "schedule");
  const Path schedule_path = path.child("schedule");
  if (schedule.empty()) {
    report.required(schedule_path);
  } else if (schedule.find("TZ") != std::string_view::npos) {
    report.invalid(schedule_path, schedule,
                   "cannot use TZ or CRON_TZ in schedule, use timeZone field instead");
  } else {
    report.check(schedule_path, schedule, check_cron_schedule(schedule));
  }
  if (const Json* zone = api::find(spec, "timeZone")) {
    report.check(path.child("timeZone"), text_of(*zone), check_time_zone(text_of(*zone)));
  }
}

class CronJobStrategy : public Strategy {
 public:
  void set_defaults(Json& cron) const override {
    Json& spec = ensure_object(cron, "spec");
    default_text(spec, "concurrencyPolicy", "Allow");
    default_to(spec, "suspend", false);
    default_to(spec, "successfulJobsHistoryLimit", 3);
    default_to(spec, "failedJobsHistoryLimit", 1);
    // Of the jobs, only their pods get defaults here; the rest when a job is made.
    default_pod_template(ensure_object(spec, "jobTemplate.spec.template"));
    default_to(spec, "jobTemplate.metadata", api::JsonObject());
  }

  void validate(const WriteContext& context, const Json& cron, Causes& causes) const override {
    Report report(causes);
    const auto name = api::str(cron, "metadata.name");
    if (name.size() > kNameMax) {
      report.invalid(Path("metadata.name"), name, "must be no more than 52 characters");
    }
    const Json& spec = spec_of(cron);
    const Path path("spec");
    validate_schedule(spec, path, report);
    check_non_negative(spec, "startingDeadlineSeconds", path, report);
    check_enum(spec, "concurrencyPolicy", {"Allow", "Forbid", "Replace"}, path, report);
    check_non_negative(spec, "successfulJobsHistoryLimit", path, report);
    check_non_negative(spec, "failedJobsHistoryLimit", path, report);
    const Path template_path = path.child("jobTemplate");
    const Json* job_template = api::find(spec, "jobTemplate");
    if (job_template == nullptr) return;
    if (const Json* metadata = api::find(*job_template, "metadata")) {
      validate_template_metadata(*metadata, template_path, report);
    }
    const Path job_path = template_path.child("spec");
    if (api::flag(*job_template, "spec.manualSelector")) {
      report.not_supported(job_path.child("manualSelector"), "true", {"nil", "false"});
    }
    validate_job_spec(spec_of(*job_template), job_path, report);
  }
};

}  // namespace

std::unique_ptr<Strategy> make_cron_job_strategy() {
  return std::make_unique<CronJobStrategy>();
}

}  // namespace mk::apiserver
