#include <arpa/inet.h>

#include <algorithm>
#include <cctype>

#include "mk/api/validation.h"
#include "mk/base/strings.h"
#include "schema/time_text.h"
#include "structural/rules.h"

namespace mk::api {
namespace {

bool ipv4(std::string_view text) {
  unsigned char buffer[sizeof(in6_addr)];
  return inet_pton(AF_INET, std::string(text).c_str(), buffer) == 1;
}
bool ipv6(std::string_view text) {
  unsigned char buffer[sizeof(in6_addr)];
  return inet_pton(AF_INET6, std::string(text).c_str(), buffer) == 1;
}

bool cidr(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return false;
  const auto address = text.substr(0, slash);
  const auto bits = parse_int(text.substr(slash + 1));
  return bits && *bits >= 0 && ((ipv4(address) && *bits <= 32) || (ipv6(address) && *bits <= 128));
}

bool mac(std::string_view text) {
  const char separator = text.size() > 2 ? text[2] : ':';
  if (separator != ':' && separator != '-') return false;
  const auto parts = split(text, separator);
  if (parts.size() != 6 && parts.size() != 8 && parts.size() != 20) return false;
  return std::all_of(parts.begin(), parts.end(), [](std::string_view part) {
    return part.size() == 2 && std::isxdigit(static_cast<unsigned char>(part[0])) &&
           std::isxdigit(static_cast<unsigned char>(part[1]));
  });
}

// `version` 0: any. The dashes may be missing.
bool uuid(std::string_view text, char version) {
  std::string digits;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash_place = i == 8 || i == 13 || i == 18 || i == 23;
    if (text[i] == '-' && text.size() == 36 && dash_place) continue;
    if (!std::isxdigit(static_cast<unsigned char>(text[i]))) return false;
    digits.push_back(text[i]);
  }
  if (digits.size() != 32) return false;
  if (version == 0) return true;
  const char variant = static_cast<char>(std::tolower(static_cast<unsigned char>(digits[16])));
  const bool right_variant =
      version == '3' || std::string_view("89ab").find(variant) != std::string_view::npos;
  return digits[12] == version && right_variant;
}

bool date(std::string_view text) {
  return text.size() == 10 && parse_time(std::string(text) + "T00:00:00Z").has_value();
}

// Go's time.ParseDuration: a sign, then numbers with units.
bool duration(std::string_view text) {
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  if (text == "0") return true;
  if (text.empty()) return false;
  while (!text.empty()) {
    const auto digits = text.find_first_not_of("0123456789.");
    if (digits == 0 || digits == std::string_view::npos) return false;
    if (std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(digits), '.') > 1) return false;
    text.remove_prefix(digits);
    const auto end = std::min(text.find_first_of("0123456789."), text.size());
    const auto unit = text.substr(0, end);
    constexpr std::string_view kUnits[] = {"ns", "us", "\xC2\xB5s", "\xCE\xBCs", "ms", "s", "m", "h"};
    if (std::find(std::begin(kUnits), std::end(kUnits), unit) == std::end(kUnits)) return false;
    text.remove_prefix(end);
  }
  return true;
}

bool hostname(std::string_view text) {
  if (text.empty() || text.size() > 253) return false;
  const auto parts = split(text, '.');
  return std::all_of(parts.begin(), parts.end(), [](std::string_view part) {
    return !part.empty() && part.size() <= 63 && part.front() != '-' && part.back() != '-' &&
           std::all_of(part.begin(), part.end(), [](unsigned char c) { return std::isalnum(c) || c == '-'; });
  });
}

bool email(std::string_view text) {
  const auto at = text.rfind('@');
  return at != std::string_view::npos && at > 0 && hostname(text.substr(at + 1));
}

bool uri(std::string_view text) {
  if (text.empty() || text.find_first_of(" \t\r\n") != std::string_view::npos) return false;
  if (text.front() == '/') return true;
  const auto colon = text.find(':');
  return colon != std::string_view::npos && colon > 0 && std::isalpha(static_cast<unsigned char>(text[0]));
}

bool digits_only(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c); });
}

bool credit_card(std::string_view text) {
  std::string digits;
  for (const char c : text) {
    if (c != '-' && c != ' ') digits.push_back(c);
  }
  if (!digits_only(digits) || digits.size() < 13 || digits.size() > 19) return false;
  int sum = 0;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    int value = digits[digits.size() - 1 - i] - '0';
    if (i % 2 == 1) value = value * 2 > 9 ? value * 2 - 9 : value * 2;
    sum += value;
  }
  return sum % 10 == 0;
}

bool isbn(std::string_view text, std::size_t length) {
  std::string digits;
  for (const char c : text) {
    if (c != '-' && c != ' ') digits.push_back(c);
  }
  if (digits.size() != length) return false;
  int sum = 0;
  for (std::size_t i = 0; i < length; ++i) {
    const bool ten = length == 10 && i == 9 && (digits[i] == 'X' || digits[i] == 'x');
    if (!ten && !std::isdigit(static_cast<unsigned char>(digits[i]))) return false;
    const int value = ten ? 10 : digits[i] - '0';
    sum += value * (length == 10 ? static_cast<int>(i) + 1 : i % 2 == 0 ? 1 : 3);
  }
  return sum % (length == 10 ? 11 : 10) == 0;
}

bool hex_color(std::string_view text) {
  if (!text.empty() && text.front() == '#') text.remove_prefix(1);
  return (text.size() == 3 || text.size() == 6) &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isxdigit(c); });
}

bool rgb_color(std::string_view text) {
  if (!text.starts_with("rgb(") || !text.ends_with(")")) return false;
  const auto parts = split(text.substr(4, text.size() - 5), ',');
  return parts.size() == 3 && std::all_of(parts.begin(), parts.end(), [](std::string_view part) {
           const auto value = parse_int(trim(part));
           return value && *value >= 0 && *value <= 255;
         });
}

bool ssn(std::string_view text) {
  std::string digits;
  for (const char c : text) {
    if (c != '-' && c != ' ') digits.push_back(c);
  }
  return digits.size() == 9 && digits_only(digits);
}

struct Format {
  std::string_view name;
  bool (*check)(std::string_view);
};
constexpr Format kFormats[] = {
    {"bsonobjectid",
     [](std::string_view text) {
       return text.size() == 24 &&
              std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isxdigit(c); });
     }},
    {"uri", uri},
    {"email", email},
    {"hostname", hostname},
    {"ipv4", ipv4},
    {"ipv6", ipv6},
    {"cidr", cidr},
    {"mac", mac},
    {"uuid", [](std::string_view text) { return uuid(text, 0); }},
    {"uuid3", [](std::string_view text) { return uuid(text, '3'); }},
    {"uuid4", [](std::string_view text) { return uuid(text, '4'); }},
    {"uuid5", [](std::string_view text) { return uuid(text, '5'); }},
    {"isbn", [](std::string_view text) { return isbn(text, 10) || isbn(text, 13); }},
    {"isbn10", [](std::string_view text) { return isbn(text, 10); }},
    {"isbn13", [](std::string_view text) { return isbn(text, 13); }},
    {"creditcard", credit_card},
    {"ssn", ssn},
    {"hexcolor", hex_color},
    {"rgbcolor", rgb_color},
    {"byte", [](std::string_view text) { return base64_decode(text).has_value(); }},
    {"date", date},
    {"datetime", [](std::string_view text) { return parse_time(text).has_value(); }},
    {"date-time", [](std::string_view text) { return parse_time(text).has_value(); }},
    {"duration", duration},
    {"k8s-short-name", [](std::string_view text) { return check_dns1123_label(text).empty(); }},
    {"k8s-long-name", [](std::string_view text) { return check_dns1123_subdomain(text).empty(); }},
};

}  // namespace

bool has_format(std::string_view format, std::string_view text) {
  for (const auto& known : kFormats) {
    if (known.name == format) return known.check(text);
  }
  return true;
}

}  // namespace mk::api
