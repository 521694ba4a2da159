#include "schema/time_text.h"

#include <fmt/format.h>

#include <chrono>

namespace mk::api {
namespace {

using namespace std::chrono;

// `count` digits at `at`, or -1.
int digits(std::string_view text, std::size_t at, std::size_t count) {
  if (at + count > text.size()) return -1;
  int value = 0;
  for (std::size_t i = at; i < at + count; ++i) {
    if (text[i] < '0' || text[i] > '9') return -1;
    value = value * 10 + (text[i] - '0');
  }
  return value;
}

// Reads ".123456789" at `at` and moves behind it.
std::optional<int> fraction_micros(std::string_view text, std::size_t& at) {
  if (at >= text.size() || text[at] != '.') return 0;
  int micros = 0, used = 0;
  for (++at; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, ++used) {
    if (used < 6) micros = micros * 10 + (text[at] - '0');
  }
  if (used == 0) return std::nullopt;
  for (; used < 6; ++used) micros *= 10;
  return micros;
}

std::optional<std::int64_t> offset_seconds(std::string_view zone) {
  if (zone == "Z" || zone == "z") return 0;
  if (zone.size() != 6 || (zone[0] != '+' && zone[0] != '-') || zone[3] != ':') return std::nullopt;
  const int hours = digits(zone, 1, 2), minutes = digits(zone, 4, 2);
  if (hours < 0 || hours > 24 || minutes < 0 || minutes > 60) return std::nullopt;
  const int seconds = (hours * 60 + minutes) * 60;
  return zone[0] == '-' ? -seconds : seconds;
}

std::string civil_text(std::int64_t seconds_since_epoch) {
  const auto point = sys_seconds(seconds(seconds_since_epoch));
  const auto day = floor<days>(point);
  const year_month_day date(day);
  const hh_mm_ss clock(point - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

}  // namespace

std::optional<TimePoint> parse_time(std::string_view text) {
  if (text.size() < 20 || text[4] != '-' || text[7] != '-' || (text[10] != 'T' && text[10] != 't') ||
      text[13] != ':' || text[16] != ':') {
    return std::nullopt;
  }
  const int y = digits(text, 0, 4), mo = digits(text, 5, 2), d = digits(text, 8, 2);
  const int h = digits(text, 11, 2), mi = digits(text, 14, 2), s = digits(text, 17, 2);
  if (y < 0 || mo < 0 || d < 0 || h < 0 || h > 23 || mi < 0 || mi > 59 || s < 0 || s > 59)
    return std::nullopt;
  const year_month_day date(year(y), month(static_cast<unsigned>(mo)), day(static_cast<unsigned>(d)));
  if (!date.ok()) return std::nullopt;
  std::size_t at = 19;
  const auto micros = fraction_micros(text, at);
  const auto offset = offset_seconds(text.substr(at));
  if (!micros || !offset) return std::nullopt;
  const auto day_seconds = duration_cast<seconds>(sys_days(date).time_since_epoch()).count();
  return TimePoint{day_seconds + (h * 60 + mi) * 60 + s - *offset, *micros};
}

std::string time_text(TimePoint time) {
  return civil_text(time.seconds) + "Z";
}

std::string micro_time_text(TimePoint time) {
  return fmt::format("{}.{:06}Z", civil_text(time.seconds), time.micros);
}

}  // namespace mk::api
