#include "protobuf/duration.h"

#include <fmt/format.h>

#include <cmath>

namespace mk::api::protobuf {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;

struct Unit {
  std::string_view name;
  std::uint64_t nanoseconds;
};
constexpr Unit kUnits[] = {{"ns", 1},      {"us", 1'000},       {"ms", 1'000'000},
                           {"s", kSecond}, {"m", 60 * kSecond}, {"h", 3600 * kSecond}};

// value / unit in decimal without trailing zeros: 1500000000, 1e9 -> "1.5".
std::string decimal(std::uint64_t value, std::uint64_t unit) {
  std::string out = std::to_string(value / unit);
  std::string fraction;
  for (std::uint64_t rest = value % unit; rest != 0; rest = rest % unit) {
    unit /= 10;
    fraction.push_back(static_cast<char>('0' + rest / unit));
  }
  return fraction.empty() ? out : out + "." + fraction;
}

}  // namespace

std::string duration_text(std::int64_t nanoseconds) {
  if (nanoseconds == 0) return "0s";
  const bool negative = nanoseconds < 0;
  const auto value =
      negative ? ~static_cast<std::uint64_t>(nanoseconds) + 1 : static_cast<std::uint64_t>(nanoseconds);
  std::string out = negative ? "-" : "";
  if (value < 1'000) return out + std::to_string(value) + "ns";
  if (value < 1'000'000) return out + decimal(value, 1'000) + "\u00b5s";
  if (value < kSecond) return out + decimal(value, 1'000'000) + "ms";
  const auto hours = value / (3600 * kSecond), minutes = value / (60 * kSecond) % 60;
  if (hours > 0) out += std::to_string(hours) + "h";
  if (hours > 0 || minutes > 0) out += std::to_string(minutes) + "m";
  return out + decimal(value % (60 * kSecond), kSecond) + "s";
}

std::optional<std::int64_t> parse_duration(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  if (text == "0") return 0;
  if (text.empty()) return std::nullopt;
  long double total = 0;
  while (!text.empty()) {
    const auto digits = text.find_first_not_of("0123456789.");
    if (digits == 0 || digits == std::string_view::npos || digits > 25) return std::nullopt;
    long double number = 0, place = 0;
    for (const char c : text.substr(0, digits)) {
      if (c == '.') {
        if (place != 0) return std::nullopt;
        place = 1;
        continue;
      }
      number = number * 10 + (c - '0');
      if (place != 0) place *= 10;
    }
    text.remove_prefix(digits);
    const auto length = std::min(text.find_first_of("0123456789."), text.size());
    auto name = text.substr(0, length);
    if (name == "\u00b5s" || name == "\u03bcs") name = "us";
    const Unit* unit = nullptr;
    for (const auto& known : kUnits) {
      if (known.name == name) unit = &known;
    }
    if (!unit) return std::nullopt;
    total += number * static_cast<long double>(unit->nanoseconds) / (place == 0 ? 1 : place);
    text.remove_prefix(length);
  }
  if (total >= 9.2e18L) return std::nullopt;
  const auto value = static_cast<std::int64_t>(total);
  return negative ? -value : value;
}

}  // namespace mk::api::protobuf
