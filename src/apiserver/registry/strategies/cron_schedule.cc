#include "registry/strategies/cron_schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "mk/base/files.h"
#include "mk/base/strings.h"

namespace mk::apiserver {

namespace {

struct Bounds {
  int min, max;
  std::vector<std::string_view> names;  // of min, min + 1 ...
};

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

std::string not_a_number(std::string_view text) {
  return fmt::format("failed to parse int from {}: strconv.Atoi: parsing \"{}\": invalid syntax", text, text);
}

// One of a field's comma-separated parts: "*", "?", "5", "1-5", "*/10", "1-30/2".
std::string check_part(std::string_view part, const Bounds& field) {
  const auto slashed = split(part, '/');
  if (slashed.size() > 2) return fmt::format("too many slashes: {}", part);
  const auto range = split(slashed[0], '-');
  std::int64_t first = field.min, last = field.max;
  if (slashed[0] != "*" && slashed[0] != "?") {
    if (range.size() > 2) return fmt::format("too many hyphens: {}", part);
    const auto from = value_of(range[0], field);
    if (!from) return not_a_number(range[0]);
    if (*from < 0) return fmt::format("negative number ({}) not allowed: {}", *from, range[0]);
    first = *from;
    if (range.size() == 2) {
      const auto to = value_of(range[1], field);
      if (!to) return not_a_number(range[1]);
      last = *to;
    } else if (slashed.size() == 1) {
      last = first;
    }
  }
  if (slashed.size() == 2) {
    const auto step = parse_int(slashed[1]);
    if (!step) return not_a_number(slashed[1]);
    if (*step < 0) return fmt::format("negative number ({}) not allowed: {}", *step, slashed[1]);
    if (*step == 0) return fmt::format("step of range should be a positive number: {}", part);
  }
  if (first < field.min)
    return fmt::format("beginning of range ({}) below minimum ({}): {}", first, field.min, part);
  if (last > field.max) return fmt::format("end of range ({}) above maximum ({}): {}", last, field.max, part);
  if (first > last)
    return fmt::format("beginning of range ({}) beyond end of range ({}): {}", first, last, part);
  return "";
}

// "1h30m", as Go writes durations.
bool is_duration(std::string_view text) {
  bool any = false;
  while (!text.empty()) {
    const auto digits = text.find_first_not_of("0123456789.");
    if (digits == 0 || digits == std::string_view::npos) return false;
    text.remove_prefix(digits);
    const auto unit = text.substr(0, text.find_first_of("0123456789."));
    static constexpr std::array<std::string_view, 7> units{"h", "m", "s", "ms", "us", "µs", "ns"};
    if (std::find(units.begin(), units.end(), unit) == units.end()) return false;
    text.remove_prefix(unit.size());
    any = true;
  }
  return any;
}

std::string check_descriptor(std::string_view text) {
  static constexpr std::array<std::string_view, 7> known{"@yearly", "@annually", "@monthly", "@weekly",
                                                         "@daily",  "@midnight", "@hourly"};
  if (std::find(known.begin(), known.end(), text) != known.end()) return "";
  constexpr std::string_view every = "@every ";
  if (!text.starts_with(every)) return fmt::format("unrecognized descriptor: {}", text);
  const auto duration = text.substr(every.size());
  if (is_duration(duration)) return "";
  return fmt::format("failed to parse duration {}: time: invalid duration \"{}\"", text, duration);
}

}  // namespace

std::string check_cron_schedule(std::string_view schedule) {
  if (schedule.empty()) return "empty spec string";
  if (schedule.front() == '@') return check_descriptor(schedule);
  std::vector<std::string> fields;
  const auto spaced = replace_all(std::string(schedule), "\t", " ");
  for (const auto part : split(spaced, ' ')) {
    if (!part.empty()) fields.emplace_back(part);
  }
  if (fields.size() != bounds().size()) {
    return fmt::format("expected exactly 5 fields, found {}: [{}]", fields.size(), join(fields, " "));
  }
  for (std::size_t i = 0; i < fields.size(); ++i) {
    for (const auto part : split(fields[i], ',')) {
      if (part.empty()) continue;
      if (auto wrong = check_part(part, bounds()[i]); !wrong.empty()) return wrong;
    }
  }
  return "";
}

std::string check_time_zone(std::string_view zone) {
  if (zone.empty()) return "timeZone must be nil or non-empty string";
  if (to_lower(zone) == "local") {
    return "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones";
  }
  const bool plain = std::all_of(zone.begin(), zone.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '/' || c == '_' || c == '-' || c == '+';
  });
  const auto unknown = fmt::format("unknown time zone {}", zone);
  if (!plain || zone.front() == '/') return unknown;
  if (zone == "UTC" || file_exists("/usr/share/zoneinfo/" + std::string(zone))) return "";
  return unknown;
}

}  // namespace mk::apiserver
