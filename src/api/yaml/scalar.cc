#include "yaml/scalar.h"

#include <algorithm>
#include <charconv>

namespace mk::api {
namespace {

template <std::size_t N>
bool one_of(std::string_view text, const std::string_view (&words)[N]) {
  return std::find(std::begin(words), std::end(words), text) != std::end(words);
}

bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::optional<Json> integer(std::string_view text) {
  std::string digits;
  for (const char c : text) {
    if (c != '_') digits += c;
  }
  std::string_view rest(digits);
  const bool negative = rest.starts_with('-');
  if (negative || rest.starts_with('+')) rest.remove_prefix(1);
  int base = 10;
  if (rest.starts_with("0x") || rest.starts_with("0X")) base = 16;
  if (rest.starts_with("0o") || rest.starts_with("0O")) base = 8;
  if (rest.starts_with("0b") || rest.starts_with("0B")) base = 2;
  if (base != 10) {
    rest.remove_prefix(2);
  } else if (rest.size() > 1 && rest[0] == '0') {
    base = 8;
    rest.remove_prefix(1);
  }
  std::uint64_t magnitude = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), magnitude, base);
  if (error != std::errc() || end != rest.data() + rest.size() || rest.empty()) return std::nullopt;
  if (!negative) return magnitude <= INT64_MAX ? Json(static_cast<std::int64_t>(magnitude)) : Json(magnitude);
  if (magnitude > std::uint64_t(INT64_MAX) + 1) return std::nullopt;
  return Json(static_cast<std::int64_t>(0 - magnitude));
}

// [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?
std::optional<Json> real(std::string_view text) {
  auto rest = text;
  if (rest.starts_with('-') || rest.starts_with('+')) rest.remove_prefix(1);
  const auto exponent = rest.find_first_of("eE");
  const auto mantissa = rest.substr(0, exponent);
  if (exponent != std::string_view::npos) {
    auto power = rest.substr(exponent + 1);
    if (power.starts_with('-') || power.starts_with('+')) power.remove_prefix(1);
    if (!all_digits(power)) return std::nullopt;
  }
  const auto dot = mantissa.find('.');
  const auto whole = mantissa.substr(0, dot);
  const auto fraction = dot == std::string_view::npos ? std::string_view() : mantissa.substr(dot + 1);
  if (!whole.empty() && !all_digits(whole)) return std::nullopt;
  if (!fraction.empty() && !all_digits(fraction)) return std::nullopt;
  if (whole.empty() && fraction.empty()) return std::nullopt;
  double value = 0;
  const auto* start = text.data() + (text[0] == '+' ? 1 : 0);
  const auto [end, error] = std::from_chars(start, text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return Json(value);
}

}  // namespace

Json resolve_plain(std::string_view text) {
  static constexpr std::string_view kNull[] = {"", "~", "null", "Null", "NULL"};
  static constexpr std::string_view kTrue[] = {"true", "True", "TRUE"};
  static constexpr std::string_view kFalse[] = {"false", "False", "FALSE"};
  if (one_of(text, kNull)) return nullptr;
  if (one_of(text, kTrue)) return true;
  if (one_of(text, kFalse)) return false;
  if (std::string_view("+-.0123456789").find(text[0]) == std::string_view::npos) return Json(text);
  if (auto number = integer(text)) return *number;
  if (auto number = real(text)) return *number;
  return Json(text);
}

bool ambiguous_plain(std::string_view text) {
  static constexpr std::string_view kWords[] = {"y",  "Y",    "yes",  "Yes",  "YES",  "n",   "N",   "no",
                                                "No", "NO",   "on",   "On",   "ON",   "off", "Off", "OFF",
                                                "<<", ".inf", ".nan", ".NaN", ".Inf", "="};
  if (one_of(text, kWords) || !resolve_plain(text).is_string()) return true;
  if (text.empty() || text[0] < '0' || text[0] > '9') return false;
  // Dates and base-60 numbers: "2026-01-02", "12:30:45".
  const bool date = text.size() >= 8 && all_digits(text.substr(0, 4)) && text[4] == '-';
  const bool sexagesimal = text.find(':') != std::string_view::npos &&
                           text.find_first_not_of("0123456789:._") == std::string_view::npos;
  return date || sexagesimal;
}

}  // namespace mk::api
