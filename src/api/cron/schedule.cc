#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "mk/api/cron.h"
#include "mk/base/strings.h"

namespace mk::api {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

struct Bounds {
  int min, max;
  std::vector<std::string_view> names;  // of min, min + 1 ...
};

enum Which { kMinute, kHour, kDay, kMonth, kWeekday };

const std::array<Bounds, 5>& bounds() {
  static const std::array<Bounds, 5> all{
      Bounds{0, 59, {}}, Bounds{0, 23, {}}, Bounds{1, 31, {}},
      Bounds{1, 12, {"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
      Bounds{0, 6, {"sun", "mon", "tue", "wed", "thu", "fri", "sat"}}};
  return all;
}

std::optional<std::int64_t> value_of(std::string_view text, const Bounds& field) {
  const auto lower = to_lower(text);
  for (std::size_t i = 0; i < field.names.size(); ++i) {
    if (field.names[i] == lower) return field.min + static_cast<std::int64_t>(i);
  }
  return parse_int(text);
}

Error wrong(std::string message) {
  return Error(Reason::kInvalid, std::move(message));
}

// A number of a part, in the words of the parser that Kubernetes uses.
Result<std::int64_t> number_of(std::string_view text, const Bounds& field) {
  const auto value = value_of(text, field);
  if (!value)
    return wrong(
        fmt::format("failed to parse int from {}: strconv.Atoi: parsing \"{}\": invalid syntax", text, text));
  if (*value < 0) return wrong(fmt::format("negative number ({}) not allowed: {}", *value, text));
  return *value;
}

struct Range {
  std::int64_t first = 0, last = 0, step = 1;
  bool any = false;
};

Result<Range> range_of(std::string_view part, const Bounds& field) {
  const auto slashed = split(part, '/');
  if (slashed.size() > 2) return wrong(fmt::format("too many slashes: {}", part));
  Range range;
  range.first = field.min;
  range.last = field.max;
  if (slashed[0] == "*" || slashed[0] == "?") {
    range.any = slashed.size() == 1 || slashed[1] == "1";
  } else {
    const auto ends = split(slashed[0], '-');
    if (ends.size() > 2) return wrong(fmt::format("too many hyphens: {}", part));
    MK_ASSIGN(range.first, number_of(ends[0], field));
    if (ends.size() == 2) {
      MK_ASSIGN(range.last, number_of(ends[1], field));
    } else if (slashed.size() == 1) {
      range.last = range.first;
    }
  }
  if (slashed.size() == 2) {
    const Bounds plain{0, 0, {}};
    MK_ASSIGN(range.step, number_of(slashed[1], plain));
    if (range.step == 0) return wrong(fmt::format("step of range should be a positive number: {}", part));
  }
  if (range.first < field.min)
    return wrong(fmt::format("beginning of range ({}) below minimum ({}): {}", range.first, field.min, part));
  if (range.last > field.max)
    return wrong(fmt::format("end of range ({}) above maximum ({}): {}", range.last, field.max, part));
  if (range.first > range.last)
    return wrong(
        fmt::format("beginning of range ({}) beyond end of range ({}): {}", range.first, range.last, part));
  return range;
}

// "1h30m", as Go writes durations; in seconds.
std::optional<double> duration_of(std::string_view text) {
  struct Unit {
    std::string_view name;
    double seconds;
  };
  static constexpr std::array<Unit, 8> kUnits{Unit{"h", 3600}, {"m", 60},    {"s", 1},     {"ms", 1e-3},
                                              {"us", 1e-6},    {"µs", 1e-6}, {"μs", 1e-6}, {"ns", 1e-9}};
  double total = 0;
  if (text.empty()) return std::nullopt;
  while (!text.empty()) {
    const auto digits = text.find_first_not_of("0123456789.");
    if (digits == 0 || digits == std::string_view::npos) return std::nullopt;
    const std::string number(text.substr(0, digits));
    if (std::count(number.begin(), number.end(), '.') > 1 || number == ".") return std::nullopt;
    text.remove_prefix(digits);
    const auto name = text.substr(0, text.find_first_of("0123456789."));
    const auto* unit =
        std::find_if(kUnits.begin(), kUnits.end(), [name](const Unit& one) { return one.name == name; });
    if (unit == kUnits.end()) return std::nullopt;
    total += std::strtod(number.c_str(), nullptr) * unit->seconds;
    text.remove_prefix(name.size());
  }
  return total;
}

}  // namespace

Result<void> CronSchedule::parse_part(std::string_view part, std::size_t which, Field& field) {
  MK_ASSIGN(const Range range, range_of(part, bounds()[which]));
  for (auto value = range.first; value <= range.last; value += range.step) {
    field.bits |= std::uint64_t{1} << value;
  }
  field.any = field.any || range.any;
  return ok();
}

Result<CronSchedule> CronSchedule::parse_descriptor(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kKnown{
      {{"@yearly", "0 0 1 1 *"},
       {"@annually", "0 0 1 1 *"},
       {"@monthly", "0 0 1 * *"},
       {"@weekly", "0 0 * * 0"},
       {"@daily", "0 0 * * *"},
       {"@midnight", "0 0 * * *"},
       {"@hourly", "0 * * * *"}}};
  for (const auto& [name, fields] : kKnown) {
    if (name == text) return parse(fields);
  }
  constexpr std::string_view kEvery = "@every ";
  if (!text.starts_with(kEvery)) return wrong(fmt::format("unrecognized descriptor: {}", text));
  const auto length = duration_of(text.substr(kEvery.size()));
  if (!length) {
    return wrong(fmt::format("failed to parse duration {}: time: invalid duration \"{}\"", text,
                             text.substr(kEvery.size())));
  }
  CronSchedule made;
  made.every_ = seconds(std::max<std::int64_t>(1, static_cast<std::int64_t>(std::floor(*length))));
  return made;
}

Result<CronSchedule> CronSchedule::parse(std::string_view text) {
  if (text.empty()) return wrong("empty spec string");
  if (text.front() == '@') return parse_descriptor(text);
  std::vector<std::string> words;
  const auto spaced = replace_all(std::string(text), "\t", " ");
  for (const auto word : split(spaced, ' ')) {
    if (!word.empty()) words.emplace_back(word);
  }
  CronSchedule made;
  if (words.size() != made.fields_.size()) {
    return wrong(fmt::format("expected exactly 5 fields, found {}: [{}]", words.size(), join(words, " ")));
  }
  for (std::size_t i = 0; i < words.size(); ++i) {
    for (const auto part : split(words[i], ',')) {
      if (!part.empty()) MK_TRY(parse_part(part, i, made.fields_[i]));
    }
  }
  return made;
}

bool CronSchedule::day_matches(std::chrono::year_month_day date, std::chrono::weekday weekday) const {
  const auto& day = fields_[kDay];
  const auto& week = fields_[kWeekday];
  const bool by_day = day.has(static_cast<int>(static_cast<unsigned>(date.day())));
  const bool by_week = week.has(static_cast<int>(weekday.c_encoding()));
  return day.any || week.any ? by_day && by_week : by_day || by_week;
}

// Walks forward over what cannot match: months, days, hours, minutes.
std::optional<Seconds> CronSchedule::next(Seconds after, const TimeZone& zone) const {
  if (every_) return after + *every_;
  const Seconds limit = after + days(366 * 5);
  Seconds at = std::chrono::floor<minutes>(after) + minutes(1);
  while (at < limit) {
    const Seconds wall = at + zone.offset_at(at);
    const auto day = std::chrono::floor<days>(wall);
    const std::chrono::year_month_day date(day);
    Seconds later;
    if (!fields_[kMonth].has(static_cast<int>(static_cast<unsigned>(date.month())))) {
      const std::chrono::sys_days first(date.year() / date.month() / 1 + std::chrono::months(1));
      later = zone.from_local(Seconds(first).time_since_epoch());
    } else if (!day_matches(date, std::chrono::weekday(day))) {
      later = zone.from_local(Seconds(day + days(1)).time_since_epoch());
    } else if (const auto hour = std::chrono::floor<hours>(wall - day);
               !fields_[kHour].has(static_cast<int>(hour.count()))) {
      later = at + (hours(1) - (wall - day - hour));
    } else if (const auto minute = std::chrono::floor<minutes>(wall - day - hour);
               !fields_[kMinute].has(static_cast<int>(minute.count()))) {
      later = at + (minutes(1) - (wall - day - hour - minute));
    } else {
      return at;
    }
    at = std::max(later, at + minutes(1));
  }
  return std::nullopt;
}

std::optional<Seconds> CronSchedule::last(Seconds after, Seconds until, const TimeZone& zone) const {
  if (every_) {
    const auto count = (until - after) / *every_;
    return count > 0 ? std::optional(after + *every_ * count) : std::nullopt;
  }
  // Looks back in growing steps, so that a schedule of every minute does not cost years of minutes.
  for (const seconds span :
       {seconds(hours(1)), seconds(days(1)), seconds(days(32)), seconds(days(366 * 5))}) {
    const Seconds from = std::max(after, until - span);
    std::optional<Seconds> found;
    for (auto at = next(from, zone); at && *at <= until; at = next(*at, zone)) found = at;
    if (found || from == after) return found;
  }
  return std::nullopt;
}

}  // namespace mk::api
