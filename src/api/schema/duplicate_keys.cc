#include <fmt/format.h>

#include <boost/json/parse.hpp>
#include <unordered_set>

#include "mk/api/schema.h"

namespace mk::api {
namespace {

// Walks a JSON text token by token. Expects text that parses (parse_json comes first); on anything else it
// stops early rather than misreport.
class Scanner {
 public:
  Scanner(std::string_view text, FieldProblems& found) : text_(text), found_(found) {}

  bool value(const std::string& path, int depth) {
    if (depth > 1000) return false;
    skip_space();
    if (at_ >= text_.size()) return false;
    switch (text_[at_]) {
      case '{':
        return object(path, depth);
      case '[':
        return array(path, depth);
      case '"':
        return !string_token().empty();
      default:
        return bare_token();
    }
  }

 private:
  bool object(const std::string& path, int depth) {
    std::unordered_set<std::string> seen;
    ++at_;
    skip_space();
    if (take('}')) return true;
    do {
      skip_space();
      const auto token = string_token();
      if (token.empty()) return false;
      const std::string key = unescape(token);
      const std::string child = path.empty() ? key : path + "." + key;
      if (!seen.insert(key).second) found_.push_back(fmt::format("duplicate field \"{}\"", child));
      skip_space();
      if (!take(':') || !value(child, depth + 1)) return false;
      skip_space();
    } while (take(','));
    return take('}');
  }

  bool array(const std::string& path, int depth) {
    ++at_;
    skip_space();
    if (take(']')) return true;
    int index = 0;
    do {
      if (!value(path + fmt::format("[{}]", index++), depth + 1)) return false;
      skip_space();
    } while (take(','));
    return take(']');
  }

  // The string at the cursor with its quotes; "" when there is none.
  std::string_view string_token() {
    if (at_ >= text_.size() || text_[at_] != '"') return {};
    const auto start = at_;
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == '\\') {
        ++at_;
      } else if (text_[at_] == '"') {
        ++at_;
        return text_.substr(start, at_ - start);
      }
    }
    return {};
  }

  bool bare_token() {
    const auto end = text_.find_first_of(",]} \t\r\n", at_);
    at_ = end == std::string_view::npos ? text_.size() : end;
    return true;
  }

  static std::string unescape(std::string_view token) {
    if (token.find('\\') == std::string_view::npos) return std::string(token.substr(1, token.size() - 2));
    boost::json::error_code error;
    const auto parsed = boost::json::parse(token, error);
    const auto* text = error ? nullptr : parsed.if_string();
    return text ? std::string(*text) : std::string(token);
  }

  void skip_space() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos)
      ++at_;
  }

  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  std::string_view text_;
  FieldProblems& found_;
  std::size_t at_ = 0;
};

}  // namespace

FieldProblems find_duplicate_keys(std::string_view json_text) {
  FieldProblems found;
  Scanner(json_text, found).value("", 0);
  return found;
}

}  // namespace mk::api
