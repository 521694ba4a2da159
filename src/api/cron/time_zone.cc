#include <algorithm>
#include <cctype>

#include "mk/api/cron.h"
#include "mk/base/files.h"
#include "mk/base/strings.h"

// TZif files (RFC 8536) and the POSIX rules in their footers.
namespace mk::api {

using std::chrono::seconds;

namespace {

constexpr std::int64_t kDay = 86400;
constexpr std::size_t kHeader = 44;

std::int64_t big_endian(std::string_view bytes) {
  std::uint64_t value = static_cast<signed char>(bytes[0]) < 0 ? ~std::uint64_t{0} : 0;
  for (const char c : bytes) value = (value << 8) | static_cast<unsigned char>(c);
  return static_cast<std::int64_t>(value);
}

// The counts of a TZif block, in the order of its header.
struct Counts {
  std::int64_t ut, standard, leaps, times, types, chars;
  std::int64_t size(std::int64_t time_size) const {
    return times * time_size + times + types * 6 + chars + leaps * (time_size + 4) + standard + ut;
  }
};

std::optional<Counts> counts_of(std::string_view block) {
  if (block.size() < kHeader || block.substr(0, 4) != "TZif") return std::nullopt;
  const auto count = [&block](std::size_t i) { return big_endian(block.substr(20 + 4 * i, 4)); };
  const Counts counts{count(0), count(1), count(2), count(3), count(4), count(5)};
  for (std::size_t i = 0; i < 6; ++i) {
    if (count(i) < 0 || count(i) > 1'000'000) return std::nullopt;
  }
  return counts;
}

// Reads a POSIX TZ string from its front.
class RuleReader {
 public:
  explicit RuleReader(std::string_view text) : text_(text) {}

  bool empty() const { return text_.empty(); }
  bool take(char c) {
    if (text_.empty() || text_.front() != c) return false;
    text_.remove_prefix(1);
    return true;
  }
  bool name() {
    if (take('<')) {
      const auto end = text_.find('>');
      if (end == std::string_view::npos) return false;
      text_.remove_prefix(end + 1);
      return true;
    }
    const auto begin = text_.size();
    while (!text_.empty() && std::isalpha(static_cast<unsigned char>(text_.front()))) text_.remove_prefix(1);
    return text_.size() < begin;
  }
  std::optional<int> number() {
    int value = 0;
    const auto begin = text_.size();
    while (!text_.empty() && std::isdigit(static_cast<unsigned char>(text_.front())) && value < 100'000) {
      value = value * 10 + (text_.front() - '0');
      text_.remove_prefix(1);
    }
    return text_.size() < begin ? std::optional(value) : std::nullopt;
  }
  // [+-]hh[:mm[:ss]]
  std::optional<std::int32_t> time() {
    const bool negative = take('-');
    if (!negative) take('+');
    std::int32_t total = 0, unit = 3600;
    do {
      const auto part = number();
      if (!part) return std::nullopt;
      total += *part * unit;
      unit /= 60;
    } while (unit > 0 && take(':'));
    return negative ? -total : total;
  }

 private:
  std::string_view text_;
};

}  // namespace

std::optional<TimeZone::Rule> TimeZone::parse_rule(std::string_view text) {
  RuleReader reader(text);
  Rule rule;
  // POSIX counts west of Greenwich.
  if (!reader.name()) return std::nullopt;
  const auto west = reader.time();
  if (!west) return std::nullopt;
  rule.standard = -*west;
  if (reader.empty()) return rule;
  if (!reader.name()) return std::nullopt;
  rule.has_summer = true;
  rule.summer = rule.standard + 3600;
  if (!reader.take(',')) {
    const auto summer_west = reader.time();
    if (!summer_west || !reader.take(',')) return std::nullopt;
    rule.summer = -*summer_west;
  }
  const auto day = [&reader](YearlyDay& made) {
    if (reader.take('M')) {
      const auto month = reader.number();
      if (!month || !reader.take('.')) return false;
      const auto week = reader.number();
      if (!week || !reader.take('.')) return false;
      const auto weekday = reader.number();
      if (!weekday || *month < 1 || *month > 12 || *week < 1 || *week > 5 || *weekday > 6) return false;
      made.month = *month;
      made.week = *week;
      made.day = *weekday;
    } else {
      made.kind = reader.take('J') ? YearlyDay::Kind::kJulian : YearlyDay::Kind::kDayOfYear;
      const auto number = reader.number();
      if (!number || *number > 365) return false;
      made.day = *number;
    }
    if (!reader.take('/')) return true;
    const auto time = reader.time();
    if (time) made.time = *time;
    return time.has_value();
  };
  if (!day(rule.begins) || !reader.take(',') || !day(rule.ends)) return std::nullopt;
  return rule;
}

std::int64_t TimeZone::day_of(const YearlyDay& day, int year) {
  namespace c = std::chrono;
  const c::year in(year);
  c::sys_days date;
  if (day.kind == YearlyDay::Kind::kMonthWeekDay) {
    const c::month month(static_cast<unsigned>(day.month));
    const c::weekday weekday(static_cast<unsigned>(day.day));
    date = day.week == 5 ? c::sys_days(in / month / weekday[c::last])
                         : c::sys_days(in / month / weekday[static_cast<unsigned>(day.week)]);
  } else {
    // Julian days never count 29 February.
    int days = day.day;
    if (day.kind == YearlyDay::Kind::kJulian) days = days - 1 + (in.is_leap() && days >= 60 ? 1 : 0);
    date = c::sys_days(in / 1 / 1) + c::days(days);
  }
  return std::int64_t{date.time_since_epoch().count()} * kDay + day.time;
}

std::int32_t TimeZone::offset_by_rule(std::int64_t when) const {
  if (!rule_->has_summer) return rule_->standard;
  const auto date = std::chrono::floor<std::chrono::days>(Seconds(seconds(when + rule_->standard)));
  const int year = static_cast<int>(std::chrono::year_month_day(date).year());
  const auto begins = day_of(rule_->begins, year) - rule_->standard;
  const auto ends = day_of(rule_->ends, year) - rule_->summer;
  // South of the equator summer spans the new year.
  const bool summer = begins < ends ? when >= begins && when < ends : when >= begins || when < ends;
  return summer ? rule_->summer : rule_->standard;
}

Result<TimeZone> TimeZone::parse(std::string_view tzif) {
  const Error malformed(Reason::kBadRequest, "malformed time zone information");
  auto counts = counts_of(tzif);
  if (!counts) return malformed;
  std::int64_t time_size = 4;
  const bool has_footer = tzif[4] >= '2';
  if (has_footer) {  // the first block is for old readers
    const auto skip = static_cast<std::int64_t>(kHeader) + counts->size(4);
    if (skip > static_cast<std::int64_t>(tzif.size())) return malformed;
    tzif.remove_prefix(static_cast<std::size_t>(skip));
    counts = counts_of(tzif);
    if (!counts) return malformed;
    time_size = 8;
  }
  tzif.remove_prefix(kHeader);
  if (counts->size(time_size) > static_cast<std::int64_t>(tzif.size()) || counts->types == 0)
    return malformed;
  const auto times = static_cast<std::size_t>(counts->times), size = static_cast<std::size_t>(time_size);
  const auto offset_of = [&](std::size_t type) {
    return static_cast<std::int32_t>(big_endian(tzif.substr(times * (size + 1) + type * 6, 4)));
  };
  TimeZone zone;
  zone.first_offset_ = offset_of(0);
  for (std::size_t i = 0; i < times; ++i) {
    const auto type = static_cast<unsigned char>(tzif[times * size + i]);
    if (type >= counts->types) return malformed;
    zone.transitions_.push_back(Transition{big_endian(tzif.substr(i * size, size)), offset_of(type)});
  }
  if (has_footer) {
    auto footer = tzif.substr(static_cast<std::size_t>(counts->size(time_size)));
    footer = trim(footer);
    if (!footer.empty()) zone.rule_ = parse_rule(footer);
  }
  return zone;
}

Result<TimeZone> TimeZone::load(std::string_view name) {
  if (name == "UTC" || name == "Etc/UTC") return TimeZone();
  const Error unknown(Reason::kBadRequest, "unknown time zone " + std::string(name));
  const bool plain = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '/' || c == '_' || c == '-' || c == '+';
  });
  if (!plain || name.front() == '/') return unknown;
  const auto bytes = read_file("/usr/share/zoneinfo/" + std::string(name));
  if (!bytes.ok()) return unknown;
  auto zone = parse(*bytes);
  if (!zone.ok()) return unknown;
  return zone;
}

std::chrono::seconds TimeZone::offset_at(Seconds when) const {
  const auto at = when.time_since_epoch().count();
  if (rule_ && (transitions_.empty() || at >= transitions_.back().at)) return seconds(offset_by_rule(at));
  const auto after =
      std::upper_bound(transitions_.begin(), transitions_.end(), at,
                       [](std::int64_t time, const Transition& transition) { return time < transition.at; });
  return seconds(after == transitions_.begin() ? first_offset_ : std::prev(after)->offset);
}

Seconds TimeZone::from_local(std::chrono::seconds local) const {
  // No clock is changed twice within two days: the offset is one of these.
  const Seconds wall(local);
  const auto before = offset_at(wall - seconds(kDay)), after = offset_at(wall + seconds(kDay));
  const Seconds early = wall - std::max(before, after), late = wall - std::min(before, after);
  if (early + offset_at(early) == wall) return early;
  if (late + offset_at(late) == wall) return late;
  return wall - before;  // a gap: clocks went from before it to after it
}

}  // namespace mk::api
