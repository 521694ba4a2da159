#include <fmt/format.h>

#include "mk/api/json.h"
#include "yaml/scalar.h"

namespace mk::api {
namespace {

enum class Style { kPlain, kSingle, kDouble, kLiteral };

bool control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20 && c != '\n') || byte == 0x7f;
}

bool plain_allowed(std::string_view text) {
  if (text.front() == ' ' || text.back() == ' ' || text.back() == ':') return false;
  if (std::string_view("#,[]{}&*!|>'\"%@`").find(text.front()) != std::string_view::npos) return false;
  const bool indicator = std::string_view("-?:").find(text.front()) != std::string_view::npos;
  if (indicator && (text.size() == 1 || text[1] == ' ')) return false;
  if (text.starts_with("---") || text.starts_with("...")) return false;
  if (text.starts_with("\xEF\xBB\xBF"))
    return false;  // a reader would take it for the stream's byte order mark
  return text.find(": ") == std::string_view::npos && text.find(" #") == std::string_view::npos;
}

// A literal block cannot hold leading or trailing blanks of lines, or control characters.
bool literal_allowed(std::string_view text) {
  if (text.front() == ' ' || text.front() == '\n' || text.front() == '\t') return false;
  if (text.find(" \n") != std::string_view::npos || text.back() == ' ') return false;
  for (const char c : text) {
    if (control(c) && c != '\t') return false;
  }
  return true;
}

Style style_of(std::string_view text) {
  if (text.empty() || ambiguous_plain(text)) return Style::kDouble;
  if (text.find('\n') != std::string_view::npos)
    return literal_allowed(text) ? Style::kLiteral : Style::kDouble;
  for (const char c : text) {
    if (control(c)) return Style::kDouble;
  }
  return plain_allowed(text) ? Style::kPlain : Style::kSingle;
}

class Emitter {
 public:
  explicit Emitter(std::string& out) : out_(out) {}

  // A value behind "key:" or "-" whose own lines start at `indent`; the cursor is behind the indicator.
  void value(const Json& json, int indent, bool in_list) {
    if (const auto* fields = json.if_object(); fields && !fields->empty()) {
      if (!in_list) out_ += '\n';
      map(*fields, indent, in_list);
    } else if (const auto* elements = json.if_array(); elements && !elements->empty()) {
      if (!in_list) out_ += '\n';
      list(*elements, indent, in_list);
    } else {
      if (!in_list) out_ += ' ';
      scalar(json, indent);
      out_ += '\n';
    }
  }

  // `open`: the first entry continues the current line ("- key: value").
  void map(const JsonObject& fields, int indent, bool open) {
    for (const auto& field : fields) {
      if (!open) pad(indent);
      open = false;
      text(field.key(), indent, true);
      out_ += ':';
      // Lists stand at their key's own indentation.
      const bool flat = field.value().is_array();
      value(field.value(), flat ? indent : indent + 2, false);
    }
  }

  void list(const JsonArray& elements, int indent, bool open) {
    for (const auto& element : elements) {
      if (!open) pad(indent);
      open = false;
      out_ += "- ";
      value(element, indent + 2, true);
    }
  }

 private:
  void pad(int indent) { out_.append(static_cast<std::size_t>(indent), ' '); }

  void scalar(const Json& json, int indent) {
    if (const auto* string = json.if_string()) {
      text(*string, indent, false);
    } else {
      out_ += to_json(json);  // numbers, true, null, {}, []
    }
  }

  void text(std::string_view string, int indent, bool key) {
    auto style = style_of(string);
    if (key && style == Style::kLiteral) style = Style::kDouble;
    switch (style) {
      case Style::kPlain:
        out_ += string;
        break;
      case Style::kSingle:
        single(string);
        break;
      case Style::kDouble:
        out_ += to_json(Json(string));
        break;  // JSON's escapes are YAML's
      case Style::kLiteral:
        literal(string, indent);
        break;
    }
  }

  void single(std::string_view string) {
    out_ += '\'';
    for (const char c : string) {
      if (c == '\'') out_ += '\'';
      out_ += c;
    }
    out_ += '\'';
  }

  void literal(std::string_view string, int indent) {
    out_ += '|';
    if (string.back() != '\n') out_ += '-';
    if (string.ends_with("\n\n")) out_ += '+';
    if (string.back() == '\n') string.remove_suffix(1);
    for (std::size_t start = 0; start <= string.size();) {
      const auto end = std::min(string.find('\n', start), string.size());
      out_ += '\n';
      if (end > start) pad(indent == 0 ? 2 : indent);
      out_.append(string, start, end - start);
      start = end + 1;
    }
  }

  std::string& out_;
};

}  // namespace

std::string to_yaml(const Json& value) {
  std::string out;
  Emitter(out).value(value, 0, true);
  return out;
}

}  // namespace mk::api
