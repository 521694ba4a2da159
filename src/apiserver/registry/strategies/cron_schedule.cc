#include "registry/strategies/cron_schedule.h"

#include "mk/api/cron.h"
#include "mk/base/strings.h"

namespace mk::apiserver {

std::string check_cron_schedule(std::string_view schedule) {
  const auto parsed = api::CronSchedule::parse(schedule);
  return parsed.ok() ? "" : parsed.error().message();
}

std::string check_time_zone(std::string_view zone) {
  if (zone.empty()) return "timeZone must be nil or non-empty string";
  if (to_lower(zone) == "local") {
    return "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones";
  }
  const auto loaded = api::TimeZone::load(zone);
  return loaded.ok() ? "" : loaded.error().message();
}

}  // namespace mk::apiserver
