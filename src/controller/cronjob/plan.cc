#include "cronjob/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "kit/objects.h"
#include "mk/base/strings.h"

namespace mk::controller::cronjob {

using api::Seconds;

namespace {

constexpr int kMissedMany = 100;
const api::Gvk kKind{"batch", "v1", "CronJob"};

std::string in_zone(Seconds time, const api::TimeZone& zone) {
  const auto offset = zone.offset_at(time);
  auto text = rt::format_time(rt::WallTime((time + offset).time_since_epoch()));
  if (offset.count() == 0) return text;
  const auto minutes = std::abs(offset.count()) / 60;
  text.pop_back();  // the Z
  return fmt::format("{}{}{:02}:{:02}", text, offset.count() < 0 ? '-' : '+', minutes / 60, minutes % 60);
}

}  // namespace

Seconds seconds_of(rt::WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(
      std::chrono::time_point<std::chrono::system_clock, rt::Duration>(time));
}

std::optional<Seconds> seconds_at(const api::Json& object, std::string_view path) {
  const auto time = time_at(object, path);
  return time ? std::optional(seconds_of(*time)) : std::nullopt;
}

std::optional<Refusal> due(const api::Object& cron, Seconds now, Due& out) {
  const auto& json = cron.json();
  const auto words = api::str(json, "spec.schedule"), zone_name = api::str(json, "spec.timeZone");
  const auto schedule = api::CronSchedule::parse(words);
  if (!schedule.ok()) {
    return Refusal{"UnparseableSchedule",
                   fmt::format("unparseable schedule: \"{}\" : {}", words, schedule.error().message())};
  }
  if (!zone_name.empty()) {
    auto zone = api::TimeZone::load(zone_name);
    if (!zone.ok()) {
      return Refusal{"UnknownTimeZone",
                     fmt::format("invalid timeZone: \"{}\": {}", zone_name, zone.error().message())};
    }
    out.zone = std::move(zone).value();
  }
  auto since = seconds_at(json, "status.lastScheduleTime")
                   .value_or(seconds_at(json, "metadata.creationTimestamp").value_or(now));
  const auto* deadline = api::find(json, "spec.startingDeadlineSeconds");
  const std::chrono::seconds grace(api::num(json, "spec.startingDeadlineSeconds"));
  if (deadline) since = std::max(since, now - grace);

  out.next = schedule->next(now, out.zone);
  out.start = schedule->last(since, now, out.zone);
  if (!out.start) return std::nullopt;
  int missed = 0;
  for (auto at = schedule->next(since, out.zone); at && *at < *out.start && missed <= kMissedMany;
       at = schedule->next(*at, out.zone)) {
    ++missed;
  }
  out.many_missed = missed > kMissedMany;
  return std::nullopt;
}

std::string job_name(const api::Object& cron, Seconds scheduled) {
  return fmt::format("{}-{}", cron.name(), scheduled.time_since_epoch().count() / 60);
}

api::Json make_job(const api::Object& cron, Seconds scheduled, const api::TimeZone& zone) {
  const auto& json = cron.json();
  api::JsonObject annotations = api::object(json, "spec.jobTemplate.metadata.annotations");
  annotations[kScheduledAt] = api::text(in_zone(scheduled, zone));
  api::JsonArray owners;
  owners.push_back(controller_reference(cron, kKind));
  api::JsonObject metadata;
  metadata["name"] = job_name(cron, scheduled);
  metadata["namespace"] = cron.ns();
  if (const auto* labels = api::find(json, "spec.jobTemplate.metadata.labels")) metadata["labels"] = *labels;
  metadata["annotations"] = std::move(annotations);
  metadata["ownerReferences"] = std::move(owners);
  api::JsonObject job;
  job["apiVersion"] = "batch/v1";
  job["kind"] = "Job";
  job["metadata"] = std::move(metadata);
  if (const auto* spec = api::find(json, "spec.jobTemplate.spec")) job["spec"] = *spec;
  return job;
}

bool job_finished(const api::Json& job, std::string_view* condition) {
  for (const std::string_view type : {"Complete", "Failed"}) {
    const auto* found = find_condition(job, type);
    if (!found || api::str(*found, "status") != "True") continue;
    if (condition) *condition = type;
    return true;
  }
  return false;
}

api::Json reference_to(const api::Object& job) {
  api::JsonObject reference;
  reference["kind"] = "Job";
  reference["apiVersion"] = "batch/v1";
  reference["namespace"] = job.ns();
  reference["name"] = job.name();
  reference["uid"] = job.uid();
  reference["resourceVersion"] = job.resource_version();
  return reference;
}

bool is_active(const api::Json& cron, std::string_view uid) {
  const auto& active = api::list(cron, "status.active");
  return std::any_of(active.begin(), active.end(),
                     [uid](const api::Json& one) { return api::str(one, "uid") == uid; });
}

void add_active(api::Json& cron, const api::Object& job) {
  api::JsonArray active = api::list(cron, "status.active");
  active.push_back(reference_to(job));
  api::set(cron, "status.active", std::move(active));
}

void remove_active(api::Json& cron, std::string_view uid) {
  api::JsonArray kept;
  for (const auto& one : api::list(cron, "status.active")) {
    if (api::str(one, "uid") != uid) kept.push_back(one);
  }
  if (kept.empty()) {
    api::erase(cron, "status.active");
  } else {
    api::set(cron, "status.active", std::move(kept));
  }
}

std::vector<api::Object> beyond_history(const api::Json& cron, const std::vector<api::Object>& jobs) {
  std::vector<api::Object> expendable;
  const std::pair<std::string_view, std::string_view> limits[] = {
      {"Complete", "spec.successfulJobsHistoryLimit"}, {"Failed", "spec.failedJobsHistoryLimit"}};
  for (const auto& [type, field] : limits) {
    if (!api::find(cron, field)) continue;
    std::vector<api::Object> finished;
    for (const auto& job : jobs) {
      std::string_view condition;
      if (job_finished(job.json(), &condition) && condition == type && !job.deleting())
        finished.push_back(job);
    }
    const auto limit = static_cast<std::size_t>(std::max<std::int64_t>(api::num(cron, field), 0));
    if (finished.size() <= limit) continue;
    const auto age = [](const api::Object& job) {
      return std::pair(time_at(job.json(), "status.startTime").value_or(created_at(job)), job.name());
    };
    std::sort(finished.begin(), finished.end(),
              [&age](const api::Object& a, const api::Object& b) { return age(a) < age(b); });
    finished.resize(finished.size() - limit);
    expendable.insert(expendable.end(), finished.begin(), finished.end());
  }
  return expendable;
}

bool forgotten(const api::Object& cron, const api::Object& job) {
  const auto scheduled = rt::parse_time(job.annotation(kScheduledAt));
  if (!scheduled || job_name(cron, seconds_of(*scheduled)) != job.name()) return false;
  const auto last = seconds_at(cron.json(), "status.lastScheduleTime");
  return !last || *last < seconds_of(*scheduled);
}

}  // namespace mk::controller::cronjob
