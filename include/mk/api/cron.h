#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mk/base/result.h"

namespace mk::api {

using Seconds = std::chrono::sys_seconds;  // UTC

// A time zone of the system's database (/usr/share/zoneinfo, TZif: RFC 8536).
class TimeZone {
 public:
  TimeZone() = default;  // UTC
  // By IANA name. kBadRequest "unknown time zone NAME".
  static Result<TimeZone> load(std::string_view name);
  static Result<TimeZone> parse(std::string_view tzif);

  std::chrono::seconds offset_at(Seconds when) const;  // east of Greenwich is positive
  // The first instant at which clocks show `local` (seconds since 1970 on the wall); in a gap, that long
  // after it began.
  Seconds from_local(std::chrono::seconds local) const;

 private:
  struct Transition {
    std::int64_t at;
    std::int32_t offset;  // from then on
  };
  // "CET-1CEST,M3.5.0,M10.5.0/3": what holds after the last transition.
  struct YearlyDay {
    enum class Kind { kMonthWeekDay, kJulian, kDayOfYear } kind = Kind::kMonthWeekDay;
    int month = 1, week = 1, day = 0;
    std::int32_t time = 7200;  // on the wall
  };
  struct Rule {
    std::int32_t standard = 0, summer = 0;
    bool has_summer = false;
    YearlyDay begins, ends;
  };
  static std::optional<Rule> parse_rule(std::string_view text);
  static std::int64_t day_of(const YearlyDay& day, int year);  // seconds since 1970, on the wall
  std::int32_t offset_by_rule(std::int64_t when) const;

  std::int32_t first_offset_ = 0;
  std::vector<Transition> transitions_;
  std::optional<Rule> rule_;
};

// When a CronJob runs: five fields (minute, hour, day of month, month, day of week) with "*", "?", lists,
// ranges, steps and names; or "@daily" and the like; or "@every 1h30m". If both days are restricted, either
// is enough.
class CronSchedule {
 public:
  // kInvalid; the message is the one that clients of the API see.
  static Result<CronSchedule> parse(std::string_view text);

  // The first time after `after`; nullopt when there is none within five years (30 February). Times that
  // clocks skip in spring do not come, those they show twice in autumn come twice.
  std::optional<Seconds> next(Seconds after, const TimeZone& zone) const;
  // The last time in (after, until].
  std::optional<Seconds> last(Seconds after, Seconds until, const TimeZone& zone) const;

 private:
  struct Field {
    std::uint64_t bits = 0;
    bool any = false;  // "*" or "?"
    bool has(int value) const { return (bits >> value) & 1U; }
  };
  static Result<CronSchedule> parse_descriptor(std::string_view text);
  static Result<void> parse_part(std::string_view part, std::size_t which, Field& field);
  bool day_matches(std::chrono::year_month_day date, std::chrono::weekday weekday) const;

  std::array<Field, 5> fields_;
  std::optional<std::chrono::seconds> every_;
};

}  // namespace mk::api
