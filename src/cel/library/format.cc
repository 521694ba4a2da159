#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "check/functions.h"
#include "mk/base/strings.h"

// "%s %d".format([...]) of the strings extension.
namespace mk::cel {

namespace {

std::string text_of(const Value& value);

std::string text_of_list(const Value& list) {
  std::string out = "[";
  for (std::size_t i = 0; i < list.size(); ++i) out.append(i == 0 ? "" : ", ").append(text_of(list.at(i)));
  return out + "]";
}

// Entries in the order of their keys' text, so that the same map is always the same text.
std::string text_of_map(const Value& map) {
  std::vector<std::pair<std::string, std::string>> entries;
  map.for_each_key([&](const Value& key) {
    entries.emplace_back(text_of(key), text_of(map.find(key)));
    return true;
  });
  std::sort(entries.begin(), entries.end());
  std::string out = "{";
  for (std::size_t i = 0; i < entries.size(); ++i)
    out.append(i == 0 ? "" : ", ").append(entries[i].first).append(": ").append(entries[i].second);
  return out + "}";
}

std::string text_of_double(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  return fmt::format("{}", value);
}

std::string text_of(const Value& value) {
  switch (value.kind()) {
    case Value::Kind::kString:
      return std::string(value.as_string());
    case Value::Kind::kBytes:
      return std::string(value.as_bytes());
    case Value::Kind::kUint:
      return std::to_string(value.as_uint());
    case Value::Kind::kDouble:
      return text_of_double(value.as_double());
    case Value::Kind::kTimestamp:
      return format_timestamp(value.as_timestamp());
    case Value::Kind::kDuration:
      return format_duration(value.as_duration());
    case Value::Kind::kList:
      return text_of_list(value);
    case Value::Kind::kMap:
      return text_of_map(value);
    default:
      return value.debug();
  }
}

std::optional<std::string> in_base(const Value& value, int base, bool upper) {
  if (base == 16 && (value.is(Value::Kind::kString) || value.is(Value::Kind::kBytes))) {
    std::string out = hex(value.is(Value::Kind::kString) ? value.as_string() : value.as_bytes());
    if (upper)
      std::transform(out.begin(), out.end(), out.begin(),
                     [](char c) { return static_cast<char>(std::toupper(c)); });
    return out;
  }
  if (base == 2 && value.is(Value::Kind::kBool)) return value.as_bool() ? "1" : "0";
  if (!value.is(Value::Kind::kInt) && !value.is(Value::Kind::kUint)) return std::nullopt;
  const bool negative = value.is(Value::Kind::kInt) && value.as_int() < 0;
  const std::uint64_t magnitude = value.is(Value::Kind::kUint) ? value.as_uint()
                                  : negative ? 0 - static_cast<std::uint64_t>(value.as_int())
                                             : static_cast<std::uint64_t>(value.as_int());
  const std::string digits = base == 2   ? fmt::format("{:b}", magnitude)
                             : base == 8 ? fmt::format("{:o}", magnitude)
                             : upper     ? fmt::format("{:X}", magnitude)
                                         : fmt::format("{:x}", magnitude);
  return (negative ? "-" : "") + digits;
}

std::optional<std::string> in_decimal(const Value& value) {
  switch (value.kind()) {
    case Value::Kind::kInt:
      return std::to_string(value.as_int());
    case Value::Kind::kUint:
      return std::to_string(value.as_uint());
    case Value::Kind::kDouble:
      if (!std::isfinite(value.as_double())) return text_of_double(value.as_double());
      return std::nullopt;
    default:
      return std::nullopt;
  }
}

std::optional<std::string> as_real(const Value& value, int precision, bool exponent) {
  double real = 0;
  switch (value.kind()) {
    case Value::Kind::kInt:
      real = static_cast<double>(value.as_int());
      break;
    case Value::Kind::kUint:
      real = static_cast<double>(value.as_uint());
      break;
    case Value::Kind::kDouble:
      real = value.as_double();
      break;
    default:
      return std::nullopt;
  }
  if (!std::isfinite(real)) return text_of_double(real);
  return exponent ? fmt::format("{:.{}e}", real, precision) : fmt::format("{:.{}f}", real, precision);
}

std::optional<std::string> format_clause(char verb, int precision, const Value& value) {
  switch (verb) {
    case 's':
      return text_of(value);
    case 'd':
      return in_decimal(value);
    case 'f':
      return as_real(value, precision < 0 ? 6 : precision, false);
    case 'e':
      return as_real(value, precision < 0 ? 6 : precision, true);
    case 'b':
      return in_base(value, 2, false);
    case 'o':
      return in_base(value, 8, false);
    case 'x':
      return in_base(value, 16, false);
    case 'X':
      return in_base(value, 16, true);
    default:
      return std::nullopt;
  }
}

constexpr int kPrecisionMax = 1000;
// A short pattern over large values must not fill the memory.
constexpr std::size_t kTextMax = 32u << 20;

Value format(Arguments a) {
  const auto pattern = a[0].as_string();
  std::string out;
  std::size_t argument = 0;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '%') {
      out.push_back(pattern[i]);
      continue;
    }
    if (++i >= pattern.size()) return Value::error("unexpected end of string");
    if (pattern[i] == '%') {
      out.push_back('%');
      continue;
    }
    int precision = -1;
    if (pattern[i] == '.') {
      const auto end = pattern.find_first_not_of("0123456789", i + 1);
      const auto digits =
          parse_int(pattern.substr(i + 1, (end == std::string_view::npos ? pattern.size() : end) - i - 1));
      if (!digits || end == std::string_view::npos || *digits > kPrecisionMax)
        return Value::error("error while formatting: invalid precision");
      precision = static_cast<int>(*digits);
      i = end;
    }
    if (argument >= a[1].size()) return Value::error(fmt::format("index {} out of range", argument));
    const Value value = a[1].at(argument++);
    const auto formatted = format_clause(pattern[i], precision, value);
    if (!formatted) {
      if (std::string_view("sdfeboxX").find(pattern[i]) == std::string_view::npos)
        return Value::error(fmt::format(
            "could not parse formatting clause: unrecognized formatting clause \"{}\"", pattern[i]));
      return Value::error(fmt::format("error during formatting: \"%{}\" cannot be given a {}", pattern[i],
                                      value.runtime_type()->str()));
    }
    out += *formatted;
    if (out.size() > kTextMax) return Value::error("text too long");
  }
  return Value::string(std::move(out));
}

constexpr FunctionRow kRows[] = {{"string::format(list<dyn>): string", format, Cost::kTraverse}};

}  // namespace

std::span<const FunctionRow> format_functions() {
  return kRows;
}

}  // namespace mk::cel
