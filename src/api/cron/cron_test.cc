#include <catch2/catch.hpp>

#include "mk/api/cron.h"

using namespace mk;
using namespace mk::api;

namespace {

// "2026-03-29 01:30" in UTC.
Seconds at(const char* text) {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0;
  REQUIRE(std::sscanf(text, "%d-%d-%d %d:%d", &year, &month, &day, &hour, &minute) == 5);
  const auto date = std::chrono::year(year) / month / day;
  return Seconds(std::chrono::sys_days(date)) + std::chrono::hours(hour) + std::chrono::minutes(minute);
}

std::string text(std::optional<Seconds> when) {
  if (!when) return "never";
  const auto day = std::chrono::floor<std::chrono::days>(*when);
  const std::chrono::year_month_day date(day);
  const auto seconds = (*when - day).count();
  char out[64];
  std::snprintf(out, sizeof out, "%d-%02u-%02u %02d:%02d", int(date.year()), unsigned(date.month()),
                unsigned(date.day()), int(seconds / 3600), int(seconds / 60 % 60));
  return out;
}

CronSchedule schedule(const char* words) {
  auto made = CronSchedule::parse(words);
  INFO(words);
  REQUIRE(made.ok());
  return *made;
}

std::string next(const char* words, const char* after, const TimeZone& zone = TimeZone()) {
  return text(schedule(words).next(at(after), zone));
}

TimeZone zone(const char* name) {
  auto made = TimeZone::load(name);
  INFO(name);
  REQUIRE(made.ok());
  return *made;
}

}  // namespace

TEST_CASE("the next time of a cron schedule") {
  struct Row {
    const char *words, *after, *expected;
  };
  const Row rows[] = {
      {"* * * * *", "2026-01-01 12:00", "2026-01-01 12:01"},
      {"*/15 * * * *", "2026-01-01 12:50", "2026-01-01 13:00"},
      {"*/15 * * * ?", "2026-01-01 12:00", "2026-01-01 12:15"},
      {"5/20 * * * *", "2026-01-01 12:26", "2026-01-01 12:45"},
      {"10-30/10,55 * * * *", "2026-01-01 12:30", "2026-01-01 12:55"},
      {"0 9-17 * * MON-FRI", "2026-01-02 17:00", "2026-01-05 09:00"},
      {"30 4 1 jan *", "2026-01-01 04:30", "2027-01-01 04:30"},
      {"0 0 29 2 *", "2026-01-01 00:00", "2028-02-29 00:00"},
      {"0 0 30 2 *", "2026-01-01 00:00", "never"},
      {"0 0 31 * *", "2026-03-31 00:00", "2026-05-31 00:00"},
      {"0 0 13 * 5", "2026-01-01 00:00", "2026-01-02 00:00"},   // either day
      {"0 0 13 * *", "2026-01-01 00:00", "2026-01-13 00:00"},   // only the one that is restricted
      {"0 0 */2 * 1", "2026-01-02 00:00", "2026-01-03 00:00"},  // a step restricts
      {"@hourly", "2026-01-01 12:00", "2026-01-01 13:00"},
      {"@weekly", "2026-01-01 12:00", "2026-01-04 00:00"},
      {"@yearly", "2026-01-01 12:00", "2027-01-01 00:00"},
      {"@every 1h30m", "2026-01-01 12:10", "2026-01-01 13:40"},
  };
  for (const auto& row : rows) {
    INFO(row.words);
    CHECK(next(row.words, row.after) == row.expected);
  }
}

TEST_CASE("schedules that are none say why") {
  const auto wrong = [](const char* words) {
    auto made = CronSchedule::parse(words);
    return made.ok() ? std::string("fine") : made.error().message();
  };
  CHECK(wrong("* * * *") == "expected exactly 5 fields, found 4: [* * * *]");
  CHECK(wrong("60 * * * *") == "end of range (60) above maximum (59): 60");
  CHECK(wrong("* * 0 * *") == "beginning of range (0) below minimum (1): 0");
  CHECK(wrong("5-1 * * * *") == "beginning of range (5) beyond end of range (1): 5-1");
  CHECK(wrong("*/0 * * * *") == "step of range should be a positive number: */0");
  CHECK(wrong("x * * * *") == "failed to parse int from x: strconv.Atoi: parsing \"x\": invalid syntax");
  CHECK(wrong("@sometimes") == "unrecognized descriptor: @sometimes");
  CHECK(wrong("@every x") == "failed to parse duration @every x: time: invalid duration \"x\"");
}

TEST_CASE("schedules follow the clocks of a time zone") {
  const auto berlin = zone("Europe/Berlin");
  CHECK(next("0 12 * * *", "2026-01-01 00:00", berlin) == "2026-01-01 11:00");
  CHECK(next("0 12 * * *", "2026-07-01 00:00", berlin) == "2026-07-01 10:00");
  // 29 March 2026: 02:00 becomes 03:00.
  CHECK(next("30 2 * * *", "2026-03-28 12:00", berlin) == "2026-03-30 00:30");
  CHECK(next("30 * * * *", "2026-03-29 00:30", berlin) == "2026-03-29 01:30");
  // 25 October 2026: 03:00 becomes 02:00.
  CHECK(next("30 2 * * *", "2026-10-24 12:00", berlin) == "2026-10-25 00:30");
  CHECK(next("30 2 * * *", "2026-10-25 00:30", berlin) == "2026-10-25 01:30");
  CHECK(next("0 0 * * *", "2026-01-01 00:00", zone("Asia/Kolkata")) == "2026-01-01 18:30");
  CHECK(next("0 0 1 * *", "2026-01-15 00:00", zone("America/New_York")) == "2026-02-01 05:00");
  // Beyond the table of transitions, by rule, on both halves of the globe.
  CHECK(next("0 12 * * *", "2060-07-01 00:00", berlin) == "2060-07-01 10:00");
  CHECK(next("0 12 * * *", "2060-01-01 00:00", zone("Australia/Sydney")) == "2060-01-01 01:00");
  CHECK(next("0 12 * * *", "2060-07-01 00:00", zone("Australia/Sydney")) == "2060-07-01 02:00");
  CHECK(!TimeZone::load("Nowhere/City").ok());
  CHECK(!TimeZone::load("../../etc/passwd").ok());
  CHECK(!TimeZone::load("Europe").ok());
}

TEST_CASE("the last time of a schedule in a span") {
  const TimeZone utc;
  const auto last = [&](const char* words, const char* after, const char* until) {
    return text(schedule(words).last(at(after), at(until), utc));
  };
  CHECK(last("* * * * *", "2020-01-01 00:00", "2026-01-01 12:30") == "2026-01-01 12:30");
  CHECK(last("0 3 * * *", "2020-01-01 00:00", "2026-01-01 02:59") == "2025-12-31 03:00");
  CHECK(last("@yearly", "2020-01-01 00:00", "2026-07-01 00:00") == "2026-01-01 00:00");
  CHECK(last("0 3 * * *", "2026-01-01 03:00", "2026-01-01 12:00") == "never");
  CHECK(last("@every 10m", "2026-01-01 00:05", "2026-01-01 00:34") == "2026-01-01 00:25");
}

TEST_CASE("time zone information that is broken is refused") {
  CHECK(!TimeZone::parse("").ok());
  CHECK(!TimeZone::parse("TZif2").ok());
  CHECK(!TimeZone::parse(std::string("TZif2") + std::string(39, '\xff')).ok());
}
