#include <fmt/format.h>

#include <boost/json/parse.hpp>
#include <functional>
#include <unordered_set>

#include "mk/api/schema.h"

namespace mk::api {
namespace {

// Walks a JSON text token by token. Expects text that parses (parse_json comes first); on anything else it
// stops early rather than misreport.
class Scanner {
 public:
  // `seen` hears of every key: its path, and whether its object has had it before.
  using Visitor = std::function<void(const std::string& path, bool repeated)>;
  Scanner(std::string_view text, Visitor seen) : text_(text), visit_(std::move(seen)) {}

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
      visit_(child, !seen.insert(key).second);
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
  Visitor visit_;
  std::size_t at_ = 0;
};

}  // namespace

namespace {

std::string repeated_text(const std::string& path) {
  return fmt::format("duplicate field \"{}\"", path);
}

}  // namespace

FieldProblems find_duplicate_keys(std::string_view json_text) {
  FieldProblems found;
  const auto visit = [&](const std::string& path, bool repeated) {
    if (repeated) found.push_back(repeated_text(path));
  };
  Scanner(json_text, visit).value("", 0);
  return found;
}

FieldProblems in_document_order(std::string_view json_text, FieldProblems unknown, FieldProblems repeated) {
  if (unknown.empty()) return repeated;
  FieldProblems out;
  std::unordered_multiset<std::string> known(repeated.begin(), repeated.end());
  std::unordered_set<std::string> wanted(unknown.begin(), unknown.end());
  const auto visit = [&](const std::string& path, bool again) {
    if (again) {
      const auto found = known.find(repeated_text(path));
      if (found == known.end()) return;
      out.push_back(*found);
      known.erase(found);
    } else if (const auto found = wanted.find(fmt::format("unknown field \"{}\"", path));
               found != wanted.end()) {
      out.push_back(*found);
      wanted.erase(found);
    }
  };
  Scanner(json_text, visit).value("", 0);
  // What the text does not have (it was not JSON, or a patch brought it) comes in the order it was found.
  for (auto& problem : repeated) {
    if (known.erase(problem) > 0) out.push_back(std::move(problem));
  }
  for (auto& problem : unknown) {
    if (wanted.erase(problem) > 0) out.push_back(std::move(problem));
  }
  return out;
}

}  // namespace mk::api
