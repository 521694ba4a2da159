#include <fmt/format.h>

#include <array>
#include <charconv>
#include <chrono>

#include "mk/cel/value.h"

// Timestamps (RFC 3339) and durations (Go's notation, which is CEL's).
namespace mk::cel {

namespace {

constexpr std::int64_t kNanosPerSecond = 1'000'000'000;
constexpr std::int64_t kFirstSecond = -62135596800;  // 0001-01-01T00:00:00Z
constexpr std::int64_t kLastSecond = 253402300799;   // 9999-12-31T23:59:59Z

// Reads fixed-width fields from the front.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}
  bool skip(char c) {
    if (text_.empty() || (text_[0] | 0x20) != (c | 0x20)) return false;
    text_.remove_prefix(1);
    return true;
  }
  std::optional<int> digits(std::size_t count) {
    if (text_.size() < count) return std::nullopt;
    int value = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (text_[i] < '0' || text_[i] > '9') return std::nullopt;
      value = value * 10 + (text_[i] - '0');
    }
    text_.remove_prefix(count);
    return value;
  }
  // ".123": nanoseconds; finer digits are cut off.
  std::optional<std::int32_t> fraction() {
    if (text_.empty() || text_[0] != '.') return 0;
    text_.remove_prefix(1);
    std::int32_t nanos = 0, unit = 100'000'000;
    std::size_t count = 0;
    for (; count < text_.size() && text_[count] >= '0' && text_[count] <= '9'; ++count, unit /= 10)
      nanos += (text_[count] - '0') * unit;
    text_.remove_prefix(count);
    return count == 0 ? std::nullopt : std::optional<std::int32_t>(nanos);
  }
  // Z or +hh:mm, in seconds.
  std::optional<std::int64_t> offset() {
    if (skip('Z')) return 0;
    if (text_.empty() || (text_[0] != '+' && text_[0] != '-')) return std::nullopt;
    const int sign = text_[0] == '-' ? -1 : 1;
    text_.remove_prefix(1);
    const auto hours = digits(2);
    if (!hours || !skip(':')) return std::nullopt;
    const auto minutes = digits(2);
    if (!minutes || *hours > 23 || *minutes > 59) return std::nullopt;
    return sign * (*hours * 3600 + *minutes * 60);
  }
  bool at_end() const { return text_.empty(); }

 private:
  std::string_view text_;
};

std::string trimmed_fraction(std::int64_t nanos) {
  if (nanos == 0) return "";
  std::string digits = fmt::format(".{:09}", nanos);
  while (digits.back() == '0') digits.pop_back();
  return digits;
}

}  // namespace

std::optional<Timestamp> parse_timestamp(std::string_view text) {
  Reader in(text);
  const auto year = in.digits(4);
  if (!year || !in.skip('-')) return std::nullopt;
  const auto month = in.digits(2);
  if (!month || !in.skip('-')) return std::nullopt;
  const auto day = in.digits(2);
  if (!day || !in.skip('T')) return std::nullopt;
  const auto hour = in.digits(2);
  if (!hour || !in.skip(':')) return std::nullopt;
  const auto minute = in.digits(2);
  if (!minute || !in.skip(':')) return std::nullopt;
  const auto second = in.digits(2);
  const auto nanos = in.fraction();
  const auto offset = in.offset();
  if (!second || !nanos || !offset || !in.at_end()) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok() || *hour > 23 || *minute > 59 || *second > 59) return std::nullopt;
  const auto days = std::chrono::sys_days(date).time_since_epoch().count();
  Timestamp out{days * 86400 + *hour * 3600 + *minute * 60 + *second - *offset, *nanos};
  if (out.seconds < kFirstSecond || out.seconds > kLastSecond) return std::nullopt;
  return out;
}

std::string format_timestamp(Timestamp time) {
  const std::chrono::sys_seconds at{std::chrono::seconds(time.seconds)};
  const auto day = std::chrono::floor<std::chrono::days>(at);
  const std::chrono::year_month_day date(day);
  const auto rest = (at - day).count();
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), rest / 3600,
                     rest / 60 % 60, rest % 60, trimmed_fraction(time.nanos));
}

std::optional<Duration> parse_duration(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, std::int64_t>, 8> kUnits{
      {{"ns", 1},
       {"us", 1'000},
       {"\u00b5s", 1'000},
       {"\u03bcs", 1'000},
       {"ms", 1'000'000},
       {"s", kNanosPerSecond},
       {"m", 60 * kNanosPerSecond},
       {"h", 3600 * kNanosPerSecond}}};
  const bool negative = !text.empty() && text[0] == '-';
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  if (text == "0") return Duration{0};
  if (text.empty()) return std::nullopt;
  __int128 total = 0;
  while (!text.empty()) {
    __int128 value = 0, scale = 1;
    bool digits = false, point = false;
    for (; !text.empty() && ((text[0] >= '0' && text[0] <= '9') || (text[0] == '.' && !point));
         text.remove_prefix(1)) {
      if (text[0] == '.') {
        point = true;
        continue;
      }
      digits = true;
      if (point && scale >= 1'000'000'000'000) continue;  // finer than a nanosecond of an hour
      value = value * 10 + (text[0] - '0');
      if (point) scale *= 10;
      if (value > static_cast<__int128>(1) << 90) return std::nullopt;
    }
    const auto letters = text.find_first_of("0123456789.");
    const auto unit = text.substr(0, letters);
    const std::pair<std::string_view, std::int64_t>* known = nullptr;
    for (const auto& each : kUnits) {
      if (each.first == unit) known = &each;
    }
    if (!digits || known == nullptr) return std::nullopt;
    text.remove_prefix(unit.size());
    if (value > (static_cast<__int128>(1) << 126) / known->second) return std::nullopt;
    total += value * known->second / scale;
    if (total > INT64_MAX) return std::nullopt;
  }
  return Duration{static_cast<std::int64_t>(negative ? -total : total)};
}

std::string format_duration(Duration duration) {
  const bool negative = duration.nanos < 0;
  const auto nanos =
      negative ? -static_cast<__int128>(duration.nanos) : static_cast<__int128>(duration.nanos);
  return fmt::format("{}{}{}s", negative ? "-" : "", static_cast<std::int64_t>(nanos / kNanosPerSecond),
                     trimmed_fraction(static_cast<std::int64_t>(nanos % kNanosPerSecond)));
}

}  // namespace mk::cel
