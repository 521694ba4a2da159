#include <fmt/format.h>

#include <map>
#include <optional>

#include "check/functions.h"
#include "library/opaque.h"
#include "mk/base/strings.h"

// url() and isURL(): absolute URIs and absolute paths (RFC 3986).
namespace mk::cel {

namespace {

struct Url {
  std::string scheme, host, path;  // host with its port; path escaped
  std::string query;
  bool operator==(const Url& other) const = default;
};

struct UrlKind {
  static constexpr const char* kName = "kubernetes.URL";
};
using Box = Boxed<UrlKind, Url>;

bool valid_scheme(std::string_view text) {
  if (text.empty() || !std::isalpha(static_cast<unsigned char>(text[0]))) return false;
  for (const char c : text) {
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '+' && c != '-' && c != '.') return false;
  }
  return true;
}

bool valid_port(std::string_view text) {
  return text.find_first_not_of("0123456789") == std::string_view::npos;
}

bool valid_host(std::string_view host) {
  if (host.starts_with("[")) {
    const auto close = host.find(']');
    if (close == std::string_view::npos) return false;
    const auto rest = host.substr(close + 1);
    return rest.empty() || (rest[0] == ':' && valid_port(rest.substr(1)));
  }
  const auto colon = host.find(':');
  if (colon != std::string_view::npos && !valid_port(host.substr(colon + 1))) return false;
  return host.find_first_of(" <>\"\\^`{|}") == std::string_view::npos;
}

bool valid_escapes(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') continue;
    if (i + 2 >= text.size() || !std::isxdigit(static_cast<unsigned char>(text[i + 1])) ||
        !std::isxdigit(static_cast<unsigned char>(text[i + 2])))
      return false;
    i += 2;
  }
  return true;
}

// What may not stand in a path becomes %XX.
std::string escape_path(std::string_view path) {
  std::string out;
  for (const char c : path) {
    const bool fine = std::isalnum(static_cast<unsigned char>(c)) ||
                      std::string_view("-_.~!$&'()*+,;=:@/%").find(c) != std::string_view::npos;
    out += fine ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

std::optional<Url> parse(std::string_view text) {
  Url out;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) return std::nullopt;
  }
  if (const auto hash = text.find('#'); hash != std::string_view::npos) text = text.substr(0, hash);
  if (const auto mark = text.find('?'); mark != std::string_view::npos) {
    out.query = text.substr(mark + 1);
    text = text.substr(0, mark);
  }
  if (!text.starts_with("/")) {
    const auto colon = text.find(':');
    if (colon == std::string_view::npos || !valid_scheme(text.substr(0, colon))) return std::nullopt;
    out.scheme = to_lower(text.substr(0, colon));
    text.remove_prefix(colon + 1);
  }
  if (text.starts_with("//") && !out.scheme.empty()) {
    text.remove_prefix(2);
    const auto slash = text.find('/');
    std::string_view host = text.substr(0, slash);
    if (const auto at = host.rfind('@'); at != std::string_view::npos) host.remove_prefix(at + 1);
    if (!valid_host(host)) return std::nullopt;
    out.host = host;
    text = slash == std::string_view::npos ? std::string_view() : text.substr(slash);
  }
  if (!valid_escapes(text)) return std::nullopt;
  out.path = escape_path(text);
  return out;
}

Value is_url(Arguments a) {
  return Value::of(parse(a[0].as_string()).has_value());
}
Value url(Arguments a) {
  auto parsed = parse(a[0].as_string());
  return parsed ? Box::box(std::move(*parsed))
                : Value::error(
                      fmt::format("URL parse error during conversion from string: parse \"{}\": invalid URI "
                                  "for request",
                                  a[0].as_string()));
}
Value scheme(Arguments a) {
  return Value::string(Box::of(a[0]).scheme);
}
Value host(Arguments a) {
  return Value::string(Box::of(a[0]).host);
}
Value hostname(Arguments a) {
  const std::string_view all = Box::of(a[0]).host;
  if (all.starts_with("[")) return Value::string(std::string(all.substr(1, all.find(']') - 1)));
  return Value::string(std::string(all.substr(0, all.find(':'))));
}
Value port(Arguments a) {
  const std::string_view all = Box::of(a[0]).host;
  const auto colon = all.find(':', all.starts_with("[") ? all.find(']') : 0);
  return Value::string(colon == std::string_view::npos ? "" : std::string(all.substr(colon + 1)));
}
Value path(Arguments a) {
  return Value::string(Box::of(a[0]).path);
}
Value query(Arguments a) {
  std::map<std::string, std::vector<Value>> found;
  for (const auto pair : split(Box::of(a[0]).query, '&')) {
    if (pair.empty()) continue;
    const auto equals = pair.find('=');
    const auto key = url_decode(pair.substr(0, equals), true);
    const auto value =
        equals == std::string_view::npos ? std::string() : url_decode(pair.substr(equals + 1), true);
    if (key && value) found[*key].push_back(Value::string(*value));
  }
  std::vector<std::pair<Value, Value>> entries;
  for (auto& [key, values] : found) entries.emplace_back(Value::string(key), Value::list(std::move(values)));
  return Value::map(std::move(entries));
}

constexpr FunctionRow kRows[] = {{"isURL(string): bool", is_url, Cost::kTraverse},
                                 {"url(string): kubernetes.URL", url, Cost::kTraverse},
                                 {"kubernetes.URL::getScheme(): string", scheme},
                                 {"kubernetes.URL::getHost(): string", host},
                                 {"kubernetes.URL::getHostname(): string", hostname},
                                 {"kubernetes.URL::getPort(): string", port},
                                 {"kubernetes.URL::getEscapedPath(): string", path},
                                 {"kubernetes.URL::getQuery(): map<string, list<string>>", query}};

}  // namespace

std::span<const FunctionRow> url_functions() {
  return kRows;
}

}  // namespace mk::cel
