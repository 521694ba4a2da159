#pragma once

#include <optional>
#include <string>
#include <vector>

#include "mk/api/cron.h"
#include "mk/api/object.h"
#include "mk/rt/clock.h"

// The decisions of the CronJob controller. Pure: no I/O, no clock.
namespace mk::controller::cronjob {

inline constexpr char kScheduledAt[] = "batch.kubernetes.io/cronjob-scheduled-timestamp";

struct Due {
  std::optional<api::Seconds> start;  // the latest time that has come and was not acted on
  std::optional<api::Seconds> next;   // when to look again
  bool many_missed = false;           // more than a hundred: worth a warning
  api::TimeZone zone;
};
// Why there is no plan, in the words of the event about it.
struct Refusal {
  std::string reason, message;
};
// What is due by now. A refusal: the schedule or its time zone cannot be read.
std::optional<Refusal> due(const api::Object& cron, api::Seconds now, Due& out);

// The Job of a scheduled time. Its name follows from the time, so that nobody makes it twice.
std::string job_name(const api::Object& cron, api::Seconds scheduled);
api::Json make_job(const api::Object& cron, api::Seconds scheduled, const api::TimeZone& zone);

bool job_finished(const api::Json& job, std::string_view* condition = nullptr);

// Entries of status.active.
api::Json reference_to(const api::Object& job);
bool is_active(const api::Json& cron, std::string_view uid);
void add_active(api::Json& cron, const api::Object& job);
void remove_active(api::Json& cron, std::string_view uid);

// Finished jobs beyond the history limits, oldest first.
std::vector<api::Object> beyond_history(const api::Json& cron, const std::vector<api::Object>& jobs);

// A job of this controller that the status does not know: it was made, and then the process ended.
bool forgotten(const api::Object& cron, const api::Object& job);

api::Seconds seconds_of(rt::WallTime time);
std::optional<api::Seconds> seconds_at(const api::Json& object, std::string_view path);

}  // namespace mk::controller::cronjob
