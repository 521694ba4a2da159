#include "cli/duration.h"

#include <fmt/format.h>

#include <cstdlib>

#include "mk/base/strings.h"

namespace mk::kubectl {

namespace {

double unit_seconds(std::string_view unit) {
  if (unit == "h") return 3600;
  if (unit == "m") return 60;
  if (unit == "s") return 1;
  if (unit == "ms") return 1e-3;
  if (unit == "us") return 1e-6;
  if (unit == "ns") return 1e-9;
  return 0;
}

}  // namespace

Result<rt::Duration> parse_duration(std::string_view text) {
  const Error bad(Reason::kBadRequest, fmt::format("invalid duration \"{}\"", text));
  if (text.empty()) return bad;
  if (const auto seconds = parse_int(text)) return rt::Duration(std::chrono::seconds(*seconds));
  const bool negative = text[0] == '-';
  std::string_view rest = text.substr(negative ? 1 : 0);
  double total = 0;
  while (!rest.empty()) {
    const auto digits = rest.find_first_not_of("0123456789.");
    if (digits == 0 || digits == std::string_view::npos) return bad;
    const double number = std::strtod(std::string(rest.substr(0, digits)).c_str(), nullptr);
    rest.remove_prefix(digits);
    const auto unit = rest.substr(0, rest.find_first_of("0123456789."));
    const double factor = unit_seconds(unit);
    if (factor == 0) return bad;
    total += number * factor;
    rest.remove_prefix(unit.size());
  }
  if (total > 9e9) return bad;
  const auto nanos = static_cast<std::int64_t>(total * 1e9);
  return rt::Duration(negative ? -nanos : nanos);
}

std::string duration_text(std::int64_t seconds) {
  std::string out;
  if (seconds >= 3600) out += fmt::format("{}h", seconds / 3600);
  if (seconds >= 60) out += fmt::format("{}m", seconds / 60 % 60);
  return out + fmt::format("{}s", seconds % 60);
}

}  // namespace mk::kubectl
