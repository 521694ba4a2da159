#include "mk/api/json.h"

#include <fmt/format.h>

#include <boost/json/parser.hpp>
#include <cmath>

namespace mk::api {
namespace {

// Splits the first key off a dotted path.
std::string_view next_key(std::string_view& path) {
  const auto dot = path.find('.');
  const auto key = path.substr(0, dot);
  path = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
  return key;
}

const JsonArray& empty_array() {
  static const JsonArray array;
  return array;
}

const JsonObject& empty_object() {
  static const JsonObject object;
  return object;
}

void write_escape(std::string& out, unsigned char c) {
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      out += fmt::format("\\u{:04x}", c);
  }
}

void write_string(std::string& out, std::string_view text) {
  out += '"';
  std::size_t start = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 && c != '"' && c != '\\') continue;
    out.append(text, start, i - start);
    write_escape(out, c);
    start = i + 1;
  }
  out.append(text, start);
  out += '"';
}

// As Go writes a float64: the shortest text that reads back the same.
void write_double(std::string& out, double number) {
  if (!std::isfinite(number)) {
    out += "null";
    return;
  }
  if (number == std::trunc(number) && std::abs(number) < 1e15) {
    out += fmt::format("{:.0f}", number);
  } else {
    out += fmt::format("{}", number);
  }
}

void write_scalar(std::string& out, const Json& value) {
  switch (value.kind()) {
    case boost::json::kind::null:
      out += "null";
      break;
    case boost::json::kind::bool_:
      out += value.get_bool() ? "true" : "false";
      break;
    case boost::json::kind::int64:
      out += fmt::to_string(value.get_int64());
      break;
    case boost::json::kind::uint64:
      out += fmt::to_string(value.get_uint64());
      break;
    case boost::json::kind::double_:
      write_double(out, value.get_double());
      break;
    case boost::json::kind::string:
      write_string(out, value.get_string());
      break;
    default:
      break;
  }
}

// Recursion is bounded by the depth that parse_json and parse_yaml let in.
struct Writer {
  std::string& out;
  bool pretty;

  void newline(int depth) {
    if (!pretty) return;
    out += '\n';
    out.append(static_cast<std::size_t>(depth) * 4, ' ');
  }

  void write(const Json& value, int depth) {
    if (const auto* fields = value.if_object()) {
      write_object(*fields, depth);
    } else if (const auto* elements = value.if_array()) {
      write_array(*elements, depth);
    } else {
      write_scalar(out, value);
    }
  }

  void write_object(const JsonObject& fields, int depth) {
    out += '{';
    bool first = true;
    for (const auto& field : fields) {
      if (!first) out += ',';
      first = false;
      newline(depth + 1);
      write_string(out, field.key());
      out += pretty ? ": " : ":";
      write(field.value(), depth + 1);
    }
    if (!fields.empty()) newline(depth);
    out += '}';
  }

  void write_array(const JsonArray& elements, int depth) {
    out += '[';
    bool first = true;
    for (const auto& element : elements) {
      if (!first) out += ',';
      first = false;
      newline(depth + 1);
      write(element, depth + 1);
    }
    if (!elements.empty()) newline(depth);
    out += ']';
  }
};

Error parse_error(std::string_view text, std::size_t offset, std::string_view what) {
  std::size_t line = 1, column = 1;
  for (std::size_t i = 0; i < offset && i < text.size(); ++i) {
    column = text[i] == '\n' ? 1 : column + 1;
    line += text[i] == '\n';
  }
  return Error(Reason::kBadRequest, fmt::format("invalid JSON at line {} column {}: {}", line, column, what));
}

}  // namespace

const Json* member(const Json& object, std::string_view key) {
  const auto* fields = object.if_object();
  if (!fields) return nullptr;
  const auto* value = fields->if_contains(key);
  return value && !value->is_null() ? value : nullptr;
}

const Json* find(const Json& root, std::string_view path) {
  const Json* at = &root;
  while (at && !path.empty()) at = member(*at, next_key(path));
  return at && !at->is_null() ? at : nullptr;
}

std::string_view str(const Json& root, std::string_view path, std::string_view fallback) {
  const auto* value = find(root, path);
  const auto* text = value ? value->if_string() : nullptr;
  return text ? std::string_view(*text) : fallback;
}

std::int64_t num(const Json& root, std::string_view path, std::int64_t fallback) {
  const auto* value = find(root, path);
  if (!value) return fallback;
  if (const auto* number = value->if_int64()) return *number;
  if (const auto* number = value->if_uint64())
    return *number <= INT64_MAX ? static_cast<std::int64_t>(*number) : fallback;
  if (const auto* number = value->if_double()) {
    if (*number == std::trunc(*number) && std::abs(*number) < 9e18) return static_cast<std::int64_t>(*number);
  }
  return fallback;
}

bool flag(const Json& root, std::string_view path, bool fallback) {
  const auto* value = find(root, path);
  const auto* truth = value ? value->if_bool() : nullptr;
  return truth ? *truth : fallback;
}

const JsonArray& list(const Json& root, std::string_view path) {
  const auto* value = find(root, path);
  const auto* elements = value ? value->if_array() : nullptr;
  return elements ? *elements : empty_array();
}

const JsonObject& object(const Json& root, std::string_view path) {
  const auto* value = find(root, path);
  const auto* fields = value ? value->if_object() : nullptr;
  return fields ? *fields : empty_object();
}

void set(Json& root, std::string_view path, Json value) {
  Json* at = &root;
  while (!path.empty()) {
    if (!at->is_object()) at->emplace_object();
    at = &at->get_object()[next_key(path)];
  }
  *at = std::move(value);
}

void erase(Json& root, std::string_view path) {
  Json* at = &root;
  while (auto* fields = at->if_object()) {
    const auto key = next_key(path);
    if (path.empty()) {
      fields->erase(key);
      return;
    }
    at = fields->if_contains(key);
    if (!at) return;
  }
}

Result<Json> parse_json(std::string_view text, int depth_max) {
  boost::json::parse_options options;
  options.max_depth = static_cast<std::size_t>(depth_max);
  boost::json::parser parser({}, options);
  boost::json::error_code error;
  const auto used = parser.write_some(text.data(), text.size(), error);
  if (error) return parse_error(text, used, error.message());
  const auto rest = text.find_first_not_of(" \t\r\n", used);
  if (rest != std::string_view::npos) return parse_error(text, rest, "data after the JSON value");
  return parser.release();
}

std::string to_json(const Json& value) {
  std::string out;
  Writer{out, false}.write(value, 0);
  return out;
}

std::string to_pretty_json(const Json& value) {
  std::string out;
  Writer{out, true}.write(value, 0);
  out += '\n';
  return out;
}

}  // namespace mk::api
