#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "check/functions.h"
#include "mk/base/strings.h"
#include "syntax/lexer.h"

// The strings extension: positions count code points.
namespace mk::cel {

namespace {

std::u32string decode(std::string_view text) {
  std::u32string out;
  for (std::size_t at = 0; at < text.size();) out.push_back(next_code_point(text, at));
  return out;
}

Value encode(std::u32string_view code_points) {
  std::string out;
  for (const char32_t each : code_points) append_utf8(out, each);
  return Value::string(std::move(out));
}

Value out_of_range(std::int64_t index) {
  return Value::error(fmt::format("index out of range: {}", index));
}

Value char_at(Arguments a) {
  const auto text = decode(a[0].as_string());
  const std::int64_t index = a[1].as_int();
  if (index < 0 || index > static_cast<std::int64_t>(text.size())) return out_of_range(index);
  return encode(std::u32string_view(text).substr(static_cast<std::size_t>(index), 1));
}

Value index_of(Arguments a) {
  const auto text = decode(a[0].as_string()), part = decode(a[1].as_string());
  const std::int64_t from = a.size() > 2 ? a[2].as_int() : 0;
  if (part.empty()) return Value::integer(from);
  if (from < 0 || from > static_cast<std::int64_t>(text.size())) return out_of_range(from);
  const auto found = text.find(part, static_cast<std::size_t>(from));
  return Value::integer(found == std::u32string::npos ? -1 : static_cast<std::int64_t>(found));
}

Value last_index_of(Arguments a) {
  const auto text = decode(a[0].as_string()), part = decode(a[1].as_string());
  const auto size = static_cast<std::int64_t>(text.size());
  const std::int64_t from = a.size() > 2 ? a[2].as_int() : size;
  if (from < 0 || from > size) return out_of_range(from);
  if (part.empty()) return Value::integer(from);
  const auto found = text.rfind(part, static_cast<std::size_t>(from));
  return Value::integer(found == std::u32string::npos ? -1 : static_cast<std::int64_t>(found));
}

Value lower_ascii(Arguments a) {
  return Value::string(to_lower(a[0].as_string()));
}
Value upper_ascii(Arguments a) {
  std::string out(a[0].as_string());
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return Value::string(std::move(out));
}

// At most as much text as a request may have: a short expression must not fill the memory.
constexpr std::size_t kTextMax = 32u << 20;

Value replace_up_to(std::string_view text, std::string_view from, std::string_view to, std::int64_t count) {
  std::string out;
  std::size_t at = 0;
  for (; count != 0; --count) {
    std::size_t found = from.empty() ? at : text.find(from, at);
    if (found == std::string_view::npos || found > text.size()) break;
    out.append(text.substr(at, found - at)).append(to);
    at = found + from.size();
    if (from.empty()) {  // between all code points, and at both ends
      if (at >= text.size()) {
        at = text.size();
        break;
      }
      const std::size_t begin = at;
      next_code_point(text, at);
      out.append(text.substr(begin, at - begin));
    }
    if (out.size() > kTextMax) return Value::error("text too long");
  }
  if (at < text.size()) out.append(text.substr(at));
  return Value::string(std::move(out));
}
Value replace(Arguments a) {
  return replace_up_to(a[0].as_string(), a[1].as_string(), a[2].as_string(), -1);
}
Value replace_some(Arguments a) {
  return replace_up_to(a[0].as_string(), a[1].as_string(), a[2].as_string(), a[3].as_int());
}

Value split_up_to(std::string_view text, std::string_view separator, std::int64_t count) {
  std::vector<Value> out;
  if (count == 0) return Value::list(std::move(out));
  std::size_t at = 0;
  while (count < 0 || static_cast<std::int64_t>(out.size()) + 1 < count) {
    std::size_t end = text.find(separator, at);
    if (separator.empty()) {
      if (at >= text.size()) break;
      end = at;
      next_code_point(text, end);
      if (end >= text.size()) break;
    }
    if (end == std::string_view::npos) break;
    out.push_back(Value::string(std::string(text.substr(at, end - at))));
    at = end + separator.size();
  }
  if (!separator.empty() || at < text.size()) out.push_back(Value::string(std::string(text.substr(at))));
  return Value::list(std::move(out));
}
Value split_all(Arguments a) {
  return split_up_to(a[0].as_string(), a[1].as_string(), -1);
}
Value split_some(Arguments a) {
  return split_up_to(a[0].as_string(), a[1].as_string(), a[2].as_int());
}

Value join(Arguments a) {
  std::string out;
  for (std::size_t i = 0; i < a[0].size(); ++i) {
    const Value each = a[0].at(i);
    if (!each.is(Value::Kind::kString)) return Value::error("no such overload");
    if (i > 0 && a.size() > 1) out.append(a[1].as_string());
    out.append(each.as_string());
    if (out.size() > kTextMax) return Value::error("text too long");
  }
  return Value::string(std::move(out));
}

Value substring(Arguments a) {
  const auto text = decode(a[0].as_string());
  const auto size = static_cast<std::int64_t>(text.size());
  const std::int64_t begin = a[1].as_int(), end = a.size() > 2 ? a[2].as_int() : size;
  if (begin < 0 || begin > size) return out_of_range(begin);
  if (end < 0 || end > size) return out_of_range(end);
  if (begin > end)
    return Value::error(fmt::format("invalid substring range. start: {}, end: {}", begin, end));
  return encode(std::u32string_view(text).substr(static_cast<std::size_t>(begin),
                                                 static_cast<std::size_t>(end - begin)));
}

// Unicode's White_Space.
bool blank(char32_t c) {
  return (c >= 0x9 && c <= 0xD) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}
Value trim_text(Arguments a) {
  const auto text = decode(a[0].as_string());
  std::u32string_view view(text);
  while (!view.empty() && blank(view.front())) view.remove_prefix(1);
  while (!view.empty() && blank(view.back())) view.remove_suffix(1);
  return encode(view);
}

Value reverse(Arguments a) {
  auto text = decode(a[0].as_string());
  std::reverse(text.begin(), text.end());
  return encode(text);
}

Value quote(Arguments a) {
  static constexpr std::string_view kSpecial = "\a\b\f\n\r\t\v\\\"", kLetters = "abfnrtv\\\"";
  std::string out = "\"";
  for (const char c : a[0].as_string()) {
    if (const auto found = kSpecial.find(c); found != std::string_view::npos) {
      out.append("\\").push_back(kLetters[found]);
    } else {
      out.push_back(c);
    }
  }
  return Value::string(out + "\"");
}

constexpr FunctionRow kRows[] = {
    {"string::charAt(int): string", char_at, Cost::kTraverse},
    {"string::indexOf(string): int", index_of, Cost::kSearch},
    {"string::indexOf(string, int): int", index_of, Cost::kSearch},
    {"string::lastIndexOf(string): int", last_index_of, Cost::kSearch},
    {"string::lastIndexOf(string, int): int", last_index_of, Cost::kSearch},
    {"string::lowerAscii(): string", lower_ascii, Cost::kTraverse},
    {"string::upperAscii(): string", upper_ascii, Cost::kTraverse},
    {"string::replace(string, string): string", replace, Cost::kTraverseTwo},
    {"string::replace(string, string, int): string", replace_some, Cost::kTraverseTwo},
    {"string::split(string): list<string>", split_all, Cost::kTraverse},
    {"string::split(string, int): list<string>", split_some, Cost::kTraverse},
    {"list<string>::join(): string", join, Cost::kElements},
    {"list<string>::join(string): string", join, Cost::kElements},
    {"string::substring(int): string", substring, Cost::kTraverse},
    {"string::substring(int, int): string", substring, Cost::kTraverse},
    {"string::trim(): string", trim_text, Cost::kTraverse},
    {"string::reverse(): string", reverse, Cost::kTraverse},
    {"strings.quote(string): string", quote, Cost::kTraverse}};

}  // namespace

std::span<const FunctionRow> string_functions() {
  return kRows;
}

}  // namespace mk::cel
