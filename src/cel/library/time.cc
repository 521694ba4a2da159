#include <chrono>

#include "check/functions.h"
#include "library/time_zone.h"

// Parts of timestamps (UTC, or a zone by name or offset) and durations.
namespace mk::cel {

namespace {

struct Parts {
  std::chrono::year_month_day date;
  int weekday, day_of_year;
  std::int64_t second_of_day;
};

Parts parts_of(Timestamp time, std::int64_t offset) {
  const std::chrono::sys_seconds at{std::chrono::seconds(time.seconds + offset)};
  const auto day = std::chrono::floor<std::chrono::days>(at);
  const std::chrono::year_month_day date(day);
  const std::chrono::sys_days first(date.year() / std::chrono::January / 1);
  return {date, static_cast<int>(std::chrono::weekday(day).c_encoding()),
          static_cast<int>((day - first).count()), (at - day).count()};
}

enum class Part { kYear, kMonth, kDate, kDay, kDayOfYear, kWeekday, kHours, kMinutes, kSeconds };

std::int64_t part_of(const Parts& parts, Part part) {
  switch (part) {
    case Part::kYear:
      return static_cast<int>(parts.date.year());
    case Part::kMonth:
      return static_cast<unsigned>(parts.date.month()) - 1;
    case Part::kDate:
      return static_cast<unsigned>(parts.date.day());
    case Part::kDay:
      return static_cast<unsigned>(parts.date.day()) - 1;
    case Part::kDayOfYear:
      return parts.day_of_year;
    case Part::kWeekday:
      return parts.weekday;
    case Part::kHours:
      return parts.second_of_day / 3600;
    case Part::kMinutes:
      return parts.second_of_day / 60 % 60;
    case Part::kSeconds:
      return parts.second_of_day % 60;
  }
  return 0;
}

template <Part kPart>
Value utc_part(Arguments a) {
  return Value::integer(part_of(parts_of(a[0].as_timestamp(), 0), kPart));
}
template <Part kPart>
Value zone_part(Arguments a) {
  const auto offset = utc_offset(a[1].as_string(), a[0].as_timestamp().seconds);
  if (!offset) return Value::error("unknown time zone " + std::string(a[1].as_string()));
  return Value::integer(part_of(parts_of(a[0].as_timestamp(), *offset), kPart));
}

Value millis_of_timestamp(Arguments a) {
  return Value::integer(a[0].as_timestamp().nanos / 1'000'000);
}
Value hours(Arguments a) {
  return Value::integer(a[0].as_duration().nanos / 3'600'000'000'000);
}
Value minutes(Arguments a) {
  return Value::integer(a[0].as_duration().nanos / 60'000'000'000);
}
Value seconds(Arguments a) {
  return Value::integer(a[0].as_duration().nanos / 1'000'000'000);
}
Value millis(Arguments a) {
  return Value::integer(a[0].as_duration().nanos % 1'000'000'000 / 1'000'000);
}

constexpr FunctionRow kRows[] = {{"timestamp::getFullYear(): int", utc_part<Part::kYear>},
                                 {"timestamp::getFullYear(string): int", zone_part<Part::kYear>},
                                 {"timestamp::getMonth(): int", utc_part<Part::kMonth>},
                                 {"timestamp::getMonth(string): int", zone_part<Part::kMonth>},
                                 {"timestamp::getDate(): int", utc_part<Part::kDate>},
                                 {"timestamp::getDate(string): int", zone_part<Part::kDate>},
                                 {"timestamp::getDayOfMonth(): int", utc_part<Part::kDay>},
                                 {"timestamp::getDayOfMonth(string): int", zone_part<Part::kDay>},
                                 {"timestamp::getDayOfYear(): int", utc_part<Part::kDayOfYear>},
                                 {"timestamp::getDayOfYear(string): int", zone_part<Part::kDayOfYear>},
                                 {"timestamp::getDayOfWeek(): int", utc_part<Part::kWeekday>},
                                 {"timestamp::getDayOfWeek(string): int", zone_part<Part::kWeekday>},
                                 {"timestamp::getHours(): int", utc_part<Part::kHours>},
                                 {"timestamp::getHours(string): int", zone_part<Part::kHours>},
                                 {"timestamp::getMinutes(): int", utc_part<Part::kMinutes>},
                                 {"timestamp::getMinutes(string): int", zone_part<Part::kMinutes>},
                                 {"timestamp::getSeconds(): int", utc_part<Part::kSeconds>},
                                 {"timestamp::getSeconds(string): int", zone_part<Part::kSeconds>},
                                 {"timestamp::getMilliseconds(): int", millis_of_timestamp},
                                 {"duration::getHours(): int", hours},
                                 {"duration::getMinutes(): int", minutes},
                                 {"duration::getSeconds(): int", seconds},
                                 {"duration::getMilliseconds(): int", millis}};

}  // namespace

std::span<const FunctionRow> time_functions() {
  return kRows;
}

}  // namespace mk::cel
