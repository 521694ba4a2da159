#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstdlib>

#include "check/functions.h"
#include "mk/base/strings.h"
#include "syntax/lexer.h"

// int(), uint(), double(), string(), bytes(), bool(), timestamp(), duration().
namespace mk::cel {

namespace {

Value same(Arguments a) {
  return a[0];
}
Value no_conversion(Arguments a, std::string_view type) {
  return Value::error(
      fmt::format("type conversion error from '{}' to '{}'", a[0].runtime_type()->str(), type));
}
Value overflow() {
  return Value::error("integer overflow");
}

Value int_of_uint(Arguments a) {
  return a[0].as_uint() > INT64_MAX ? overflow() : Value::integer(static_cast<std::int64_t>(a[0].as_uint()));
}
Value int_of_double(Arguments a) {
  const double real = a[0].as_double();
  if (!(real > -0x1p63 && real < 0x1p63)) return overflow();
  return Value::integer(static_cast<std::int64_t>(real));
}
Value int_of_string(Arguments a) {
  auto text = a[0].as_string();
  if (text.starts_with("+")) text.remove_prefix(1);
  const auto parsed = text.starts_with("+") ? std::nullopt : parse_int(text);
  return parsed ? Value::integer(*parsed)
                : Value::error(
                      fmt::format("strconv.ParseInt: parsing \"{}\": invalid syntax", a[0].as_string()));
}
Value int_of_timestamp(Arguments a) {
  return Value::integer(a[0].as_timestamp().seconds);
}
Value int_of_duration(Arguments a) {
  return Value::integer(a[0].as_duration().nanos);
}

Value uint_of_int(Arguments a) {
  return a[0].as_int() < 0 ? Value::error("unsigned integer overflow")
                           : Value::of(static_cast<std::uint64_t>(a[0].as_int()));
}
Value uint_of_double(Arguments a) {
  const double real = a[0].as_double();
  if (!(real > -1 && real < 0x1p64)) return Value::error("unsigned integer overflow");
  return Value::of(static_cast<std::uint64_t>(real));
}
Value uint_of_string(Arguments a) {
  std::uint64_t value = 0;
  const auto text = a[0].as_string();
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size())
    return Value::error(fmt::format("strconv.ParseUint: parsing \"{}\": invalid syntax", text));
  return Value::of(value);
}

Value double_of_int(Arguments a) {
  return Value::of(static_cast<double>(a[0].as_int()));
}
Value double_of_uint(Arguments a) {
  return Value::of(static_cast<double>(a[0].as_uint()));
}
Value double_of_string(Arguments a) {
  const std::string text(a[0].as_string());
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  const bool blank = text.empty() || std::isspace(static_cast<unsigned char>(text[0]));
  if (blank || end != text.c_str() + text.size())
    return Value::error(fmt::format("strconv.ParseFloat: parsing \"{}\": invalid syntax", text));
  return Value::of(value);
}

Value string_of_number(Arguments a) {
  if (a[0].is(Value::Kind::kInt)) return Value::string(std::to_string(a[0].as_int()));
  if (a[0].is(Value::Kind::kUint)) return Value::string(std::to_string(a[0].as_uint()));
  const double real = a[0].as_double();
  if (std::isnan(real)) return Value::string("NaN");
  if (std::isinf(real)) return Value::string(real > 0 ? "+Inf" : "-Inf");
  return Value::string(fmt::format("{:g}", real) == fmt::format("{}", real) ? fmt::format("{}", real)
                       : real == std::floor(real) && std::abs(real) < 1e21  ? fmt::format("{:.0f}", real)
                                                                            : fmt::format("{}", real));
}
Value string_of_bool(Arguments a) {
  return Value::string(a[0].as_bool() ? "true" : "false");
}
Value string_of_bytes(Arguments a) {
  const auto bytes = a[0].as_bytes();
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t begin = at;
    if (next_code_point(bytes, at) == 0xFFFD && bytes.substr(begin, 3) != "\xEF\xBF\xBD")
      return Value::error("invalid UTF-8 in bytes, cannot convert to string");
  }
  return Value::string(std::string(bytes));
}
Value string_of_timestamp(Arguments a) {
  return Value::string(format_timestamp(a[0].as_timestamp()));
}
Value string_of_duration(Arguments a) {
  return Value::string(format_duration(a[0].as_duration()));
}

Value bytes_of_string(Arguments a) {
  return Value::bytes(std::string(a[0].as_string()));
}

Value bool_of_string(Arguments a) {
  const auto text = a[0].as_string();
  for (const std::string_view yes : {"true", "True", "TRUE", "t", "T", "1"}) {
    if (text == yes) return Value::of(true);
  }
  for (const std::string_view no : {"false", "False", "FALSE", "f", "F", "0"}) {
    if (text == no) return Value::of(false);
  }
  return no_conversion(a, "bool");
}

Value timestamp_of_string(Arguments a) {
  const auto time = parse_timestamp(a[0].as_string());
  return time ? Value::of(*time)
              : Value::error(fmt::format("cannot parse \"{}\" as a timestamp", a[0].as_string()));
}
Value timestamp_of_int(Arguments a) {
  if (a[0].as_int() < -62135596800 || a[0].as_int() > 253402300799) return Value::error("timestamp overflow");
  return Value::of(Timestamp{a[0].as_int(), 0});
}
Value duration_of_string(Arguments a) {
  const auto duration = parse_duration(a[0].as_string());
  return duration ? Value::of(*duration)
                  : Value::error(fmt::format("time: invalid duration \"{}\"", a[0].as_string()));
}

constexpr FunctionRow kRows[] = {{"int(int): int", same},
                                 {"int(uint): int", int_of_uint},
                                 {"int(double): int", int_of_double},
                                 {"int(string): int", int_of_string},
                                 {"int(timestamp): int", int_of_timestamp},
                                 {"int(duration): int", int_of_duration},
                                 {"uint(uint): uint", same},
                                 {"uint(int): uint", uint_of_int},
                                 {"uint(double): uint", uint_of_double},
                                 {"uint(string): uint", uint_of_string},
                                 {"double(double): double", same},
                                 {"double(int): double", double_of_int},
                                 {"double(uint): double", double_of_uint},
                                 {"double(string): double", double_of_string},
                                 {"string(string): string", same},
                                 {"string(int): string", string_of_number},
                                 {"string(uint): string", string_of_number},
                                 {"string(double): string", string_of_number},
                                 {"string(bool): string", string_of_bool},
                                 {"string(bytes): string", string_of_bytes, Cost::kTraverse},
                                 {"string(timestamp): string", string_of_timestamp},
                                 {"string(duration): string", string_of_duration},
                                 {"bytes(bytes): bytes", same},
                                 {"bytes(string): bytes", bytes_of_string, Cost::kTraverse},
                                 {"bool(bool): bool", same},
                                 {"bool(string): bool", bool_of_string},
                                 {"timestamp(timestamp): timestamp", same},
                                 {"timestamp(string): timestamp", timestamp_of_string},
                                 {"timestamp(int): timestamp", timestamp_of_int},
                                 {"duration(duration): duration", same},
                                 {"duration(string): duration", duration_of_string}};

}  // namespace

std::span<const FunctionRow> conversion_functions() {
  return kRows;
}

}  // namespace mk::cel
