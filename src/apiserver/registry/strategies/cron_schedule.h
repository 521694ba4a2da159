#pragma once

#include <string>
#include <string_view>

namespace mk::apiserver {

// A schedule of a CronJob: five fields, or a descriptor ("@daily", "@every 1h30m"). What is wrong, or "".
std::string check_cron_schedule(std::string_view schedule);

// An IANA time zone that this machine knows. What is wrong, or "".
std::string check_time_zone(std::string_view zone);

}  // namespace mk::apiserver
