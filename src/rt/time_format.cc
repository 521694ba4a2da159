#include <cstdio>

#include "mk/base/strings.h"
#include "mk/rt/clock.h"

namespace mk::rt {
namespace {

using std::chrono::duration_cast;

struct Civil {
  std::chrono::year_month_day date;
  std::chrono::hh_mm_ss<std::chrono::microseconds> time;
};

Civil civil(WallTime time) {
  const auto micros = std::chrono::floor<std::chrono::microseconds>(time);
  const auto day = std::chrono::floor<std::chrono::days>(micros);
  return {std::chrono::year_month_day(day), std::chrono::hh_mm_ss(micros - day)};
}

std::string format_seconds(const Civil& value) {
  char text[32];
  std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d", int(value.date.year()),
                unsigned(value.date.month()), unsigned(value.date.day()), int(value.time.hours().count()),
                int(value.time.minutes().count()), int(value.time.seconds().count()));
  return text;
}

// A fixed-width number at the front of `text`, taken off it.
std::optional<int> take(std::string_view& text, std::size_t digits) {
  if (text.size() < digits || text.front() == '-') return std::nullopt;
  const auto value = parse_int(text.substr(0, digits));
  text.remove_prefix(digits);
  if (!value) return std::nullopt;
  return static_cast<int>(*value);
}

bool skip(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

Duration take_fraction(std::string_view& text) {
  std::int64_t nanos = 0;
  int digits = 0;
  while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
    if (digits < 9) nanos = nanos * 10 + (text.front() - '0'), ++digits;
    text.remove_prefix(1);
  }
  for (; digits < 9; ++digits) nanos *= 10;
  return Duration(nanos);
}

std::optional<Duration> take_offset(std::string_view text) {
  if (text == "Z" || text == "z") return Duration(0);
  if (text.size() != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':') return std::nullopt;
  const auto hours = parse_int(text.substr(1, 2)), minutes = parse_int(text.substr(4, 2));
  if (!hours || !minutes || *hours < 0 || *hours > 23 || *minutes < 0 || *minutes > 59) return std::nullopt;
  const Duration offset = std::chrono::hours(*hours) + std::chrono::minutes(*minutes);
  return text[0] == '-' ? -offset : offset;
}

}  // namespace

std::string format_time(WallTime time) {
  return format_seconds(civil(time)) + "Z";
}

std::string format_micro_time(WallTime time) {
  const Civil value = civil(time);
  char fraction[16];
  std::snprintf(fraction, sizeof fraction, ".%06dZ", int(value.time.subseconds().count()));
  return format_seconds(value) + fraction;
}

std::optional<WallTime> parse_time(std::string_view text) {
  const auto year = take(text, 4);
  if (!year || !skip(text, '-')) return std::nullopt;
  const auto month = take(text, 2);
  if (!month || !skip(text, '-')) return std::nullopt;
  const auto day = take(text, 2);
  if (!day || text.empty() || (text.front() != 'T' && text.front() != 't')) return std::nullopt;
  text.remove_prefix(1);
  const auto hour = take(text, 2);
  if (!hour || !skip(text, ':')) return std::nullopt;
  const auto minute = take(text, 2);
  if (!minute || !skip(text, ':')) return std::nullopt;
  const auto second = take(text, 2);
  if (!second) return std::nullopt;
  Duration fraction(0);
  if (skip(text, '.')) fraction = take_fraction(text);
  const auto offset = take_offset(text);
  const std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(unsigned(*month)),
                                         std::chrono::day(unsigned(*day))};
  if (!offset || !date.ok() || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  // Nanoseconds count from 1677 to 2262; these leave room for differences and for what is added.
  constexpr std::chrono::sys_days kFirst = std::chrono::year(1800) / 1 / 1,
                                  kLast = std::chrono::year(2190) / 1 / 1;
  if (std::chrono::sys_days(date) < kFirst) return WallTime(kFirst);
  if (std::chrono::sys_days(date) > kLast) return WallTime(kLast);
  return WallTime(std::chrono::sys_days(date)) + std::chrono::hours(*hour) + std::chrono::minutes(*minute) +
         std::chrono::seconds(*second) + fraction - *offset;
}

}  // namespace mk::rt
