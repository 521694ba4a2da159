#include "registry/strategies/names.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>

#include "mk/base/strings.h"

namespace mk::apiserver {

namespace {

bool lower_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}
bool letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool letter_or_digit(char c) {
  return letter(c) || (c >= '0' && c <= '9');
}

template <class F>
bool all(std::string_view text, F&& test) {
  return std::all_of(text.begin(), text.end(), test);
}

void add(std::string& wrong, std::string_view more) {
  if (!wrong.empty()) wrong += "; ";
  wrong += more;
}

}  // namespace

std::string check_port_name(std::string_view name) {
  std::string wrong;
  if (name.size() > 15) add(wrong, "must be no more than 15 characters");
  if (!all(name, [](char c) { return lower_or_digit(c) || c == '-'; })) {
    add(wrong, "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
  }
  if (std::none_of(name.begin(), name.end(), [](char c) { return c >= 'a' && c <= 'z'; })) {
    add(wrong, "must contain at least one letter (a-z)");
  }
  if (name.find("--") != std::string_view::npos) add(wrong, "must not contain consecutive hyphens");
  if (!name.empty() && (name.front() == '-' || name.back() == '-')) {
    add(wrong, "must not begin or end with a hyphen");
  }
  return wrong;
}

std::string check_port_number(std::int64_t port) {
  return port >= 1 && port <= 65535 ? "" : std::string(kPortRange);
}

std::string check_env_name(std::string_view name) {
  if (name.empty()) return "environment variable name must not be empty";
  if (all(name, [](char c) { return c >= 0x20 && c < 0x7f && c != '='; })) return "";
  return "a valid environment variable name must consist only of printable ASCII characters other than '='";
}

std::string check_c_identifier(std::string_view name) {
  const bool right = !name.empty() && (letter(name.front()) || name.front() == '_') &&
                     all(name, [](char c) { return letter_or_digit(c) || c == '_'; });
  if (right) return "";
  return "a valid C identifier must start with alphabetic character or '_', followed by a string of "
         "alphanumeric "
         "characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is "
         "'[A-Za-z_][A-Za-z0-9_]*')";
}

std::string check_config_key(std::string_view key) {
  std::string wrong;
  if (key.size() > 253) add(wrong, "must be no more than 253 characters");
  if (key.empty() ||
      !all(key, [](char c) { return letter_or_digit(c) || c == '-' || c == '_' || c == '.'; })) {
    add(wrong,
        "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or "
        "'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')");
  }
  if (key == ".") {
    add(wrong, "must not be '.'");
  } else if (key == "..") {
    add(wrong, "must not be '..'");
  } else if (key.starts_with("..")) {
    add(wrong, "must not start with '..'");
  }
  return wrong;
}

std::string check_path_segment_name(std::string_view name) {
  if (name == "." || name == "..") return fmt::format("may not be '{}'", name);
  std::string wrong;
  for (const char c : {'/', '%'}) {
    if (name.find(c) != std::string_view::npos) add(wrong, fmt::format("may not contain '{}'", c));
  }
  return wrong;
}

std::string check_http_header_name(std::string_view name) {
  if (!name.empty() && all(name, [](char c) { return letter_or_digit(c) || c == '-'; })) return "";
  return "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex "
         "used for "
         "validation is '[-A-Za-z0-9]+')";
}

void check_no_backsteps(std::string_view text, const Path& path, Report& report) {
  for (const auto part : split(text, '/')) {
    if (part == "..") return report.invalid(path, text, "must not contain '..'");
  }
}

void check_local_path(std::string_view text, const Path& path, Report& report) {
  if (text.starts_with('/')) report.invalid(path, text, "must be a relative path");
  check_no_backsteps(text, path, report);
}

std::string check_cidr(std::string_view text) {
  static constexpr auto kWrong = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return kWrong;
  const auto address = text.substr(0, slash);
  const auto bits = parse_int(text.substr(slash + 1));
  const int bits_max = address.find(':') != std::string_view::npos ? 128 : 32;
  if (!bits || *bits < 0 || *bits > bits_max || !api::check_ip(address).empty()) return kWrong;
  return "";
}

void check_qualified(std::string_view text, const Path& path, Report& report) {
  report.check(path, text, api::check_qualified_name(text));
}

}  // namespace mk::apiserver
