#include <fmt/format.h>

#include "jsonpath/node.h"
#include "mk/base/strings.h"

namespace mk::api {

using Node = JsonPath::Node;

namespace {

Error bad(std::string message) {
  return Error(Reason::kBadRequest, std::move(message));
}

bool ends_name(char c) {
  return c == '.' || c == '[' || c == ']' || c == ' ' || c == '=' || c == '!' || c == '<' || c == '>' ||
         c == ')';
}

class ExpressionParser {
 public:
  explicit ExpressionParser(std::string_view text) : text_(text) {}

  bool done() const { return at_ >= text_.size(); }
  char peek() const { return done() ? '\0' : text_[at_]; }
  std::string_view rest() const { return text_.substr(at_); }

  // Steps until something that continues no path.
  Result<std::vector<PathStep>> path() {
    std::vector<PathStep> out;
    if (peek() == '$' || peek() == '@') ++at_;
    while (!done()) {
      if (rest().substr(0, 2) == "..") {
        at_ += 2;
        out.push_back(step(PathStep::Kind::kRecursive));
        if (peek() != '[' && !done() && !ends_name(peek())) out.push_back(name());
      } else if (peek() == '.') {
        ++at_;
        if (!done() && peek() != '[' && !ends_name(peek())) out.push_back(name());
      } else if (peek() == '[') {
        MK_ASSIGN(PathStep one, bracket());
        out.push_back(std::move(one));
      } else if (out.empty() && !ends_name(peek())) {
        out.push_back(name());
      } else {
        break;
      }
    }
    return out;
  }

 private:
  static PathStep step(PathStep::Kind kind) {
    PathStep out;
    out.kind = kind;
    return out;
  }

  PathStep name() {
    std::string field;
    for (; !done() && !ends_name(peek()); ++at_) {
      if (peek() == '\\' && at_ + 1 < text_.size()) ++at_;
      field += text_[at_];
      // An escaped character never ends the name.
    }
    PathStep out = step(field == "*" ? PathStep::Kind::kWildcard : PathStep::Kind::kField);
    out.field = std::move(field);
    return out;
  }

  // The text between the bracket at the current place and its partner, which is passed.
  Result<std::string_view> bracketed() {
    int depth = 0;
    char quote = 0;
    const std::size_t start = at_ + 1;
    for (; !done(); ++at_) {
      const char c = peek();
      if (quote) {
        if (c == quote) quote = 0;
      } else if (c == '\'' || c == '"') {
        quote = c;
      } else if (c == '[') {
        ++depth;
      } else if (c == ']' && --depth == 0) {
        return text_.substr(start, at_++ - start);
      }
    }
    return bad("unterminated array");
  }

  Result<PathStep> bracket() {
    MK_ASSIGN(const std::string_view inside, bracketed());
    if (inside.substr(0, 2) == "?(") {
      if (inside.back() != ')') return bad("unterminated filter");
      return filter(inside.substr(2, inside.size() - 3));
    }
    std::vector<PathStep> choices;
    for (const auto part : pieces(inside, ',')) {
      MK_ASSIGN(PathStep one, subscript(trim(part)));
      choices.push_back(std::move(one));
    }
    if (choices.size() == 1) return std::move(choices[0]);
    PathStep out = step(PathStep::Kind::kUnion);
    out.choices = std::move(choices);
    return out;
  }

  // Split outside quotes.
  static std::vector<std::string_view> pieces(std::string_view text, char separator) {
    std::vector<std::string_view> out;
    std::size_t start = 0;
    char quote = 0;
    for (std::size_t i = 0; i <= text.size(); ++i) {
      if (i == text.size() || (!quote && text[i] == separator)) {
        out.push_back(text.substr(start, i - start));
        start = i + 1;
      } else if (quote) {
        if (text[i] == quote) quote = 0;
      } else if (text[i] == '\'' || text[i] == '"') {
        quote = text[i];
      }
    }
    return out;
  }

  static Result<PathStep> subscript(std::string_view text) {
    if (text == "*") return step(PathStep::Kind::kWildcard);
    if (text.size() >= 2 && (text[0] == '\'' || text[0] == '"') && text.back() == text[0]) {
      PathStep out = step(PathStep::Kind::kField);
      out.field = replace_all(std::string(text.substr(1, text.size() - 2)), "\\.", ".");
      return out;
    }
    const auto parts = split(text, ':');
    PathStep out = step(parts.size() == 1 ? PathStep::Kind::kIndex : PathStep::Kind::kSlice);
    std::optional<std::int64_t>* places[] = {&out.first, &out.last, &out.stride};
    if (parts.size() > 3) return bad(fmt::format("invalid array index {}", text));
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (parts[i].empty() && parts.size() > 1) continue;
      *places[i] = parse_int(parts[i]);
      if (!*places[i]) return bad(fmt::format("invalid array index {}", text));
    }
    return out;
  }

  static Result<PathStep::Operand> operand(std::string_view text) {
    PathStep::Operand out;
    if (!text.empty() && (text[0] == '@' || text[0] == '.' || text[0] == '$')) {
      ExpressionParser parser(text);
      MK_ASSIGN(out.path, parser.path());
      return out;
    }
    if (text.size() >= 2 && (text[0] == '\'' || text[0] == '"') && text.back() == text[0]) {
      out.literal = mk::api::text(text.substr(1, text.size() - 2));
      return out;
    }
    auto parsed = parse_json(text);
    if (!parsed) return bad(fmt::format("unrecognized filter operand {}", text));
    out.literal = std::move(*parsed);
    return out;
  }

  static Result<PathStep> filter(std::string_view text) {
    PathStep out = step(PathStep::Kind::kFilter);
    out.compare = "exists";
    std::size_t at = std::string_view::npos;
    char quote = 0;
    for (std::size_t i = 0; i < text.size() && at == std::string_view::npos; ++i) {
      if (quote) {
        if (text[i] == quote) quote = 0;
      } else if (text[i] == '\'' || text[i] == '"') {
        quote = text[i];
      } else if (std::string_view("=!<>").find(text[i]) != std::string_view::npos) {
        at = i;
      }
    }
    if (at != std::string_view::npos) {
      const bool two = at + 1 < text.size() && text[at + 1] == '=';
      out.compare = text.substr(at, two ? 2 : 1);
      if (out.compare == "=" || out.compare == "!")
        return bad(fmt::format("unrecognized filter operator in {}", text));
      MK_ASSIGN(auto right, operand(trim(text.substr(at + out.compare.size()))));
      out.operands.push_back(std::move(right));
    }
    MK_ASSIGN(auto left, operand(trim(text.substr(0, at))));
    out.operands.insert(out.operands.begin(), std::move(left));
    return out;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

Result<std::string> unquote(std::string_view text) {
  std::string out;
  for (std::size_t i = 1; i + 1 < text.size(); ++i) {
    if (text[i] != '\\' || i + 2 >= text.size()) {
      out += text[i];
      continue;
    }
    const char c = text[++i];
    out += c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
  }
  return out;
}

class TemplateParser {
 public:
  explicit TemplateParser(std::string_view source) : source_(source) {}

  Result<std::vector<Node>> nodes(bool in_range) {
    std::vector<Node> out;
    while (at_ < source_.size()) {
      const auto open = source_.find('{', at_);
      if (open != at_)
        out.push_back(
            text_node(std::string(source_.substr(at_, open == std::string_view::npos ? open : open - at_))));
      if (open == std::string_view::npos) {
        at_ = source_.size();
        break;
      }
      MK_ASSIGN(const std::string_view inside, braces(open));
      if (inside == "end") {
        if (in_range) return out;
        return bad("not in range, nothing to end");
      }
      MK_TRY(add(inside, out));
    }
    if (in_range) return bad("unterminated range: {end} is missing");
    return out;
  }

 private:
  static Node text_node(std::string text) {
    Node out;
    out.text = std::move(text);
    return out;
  }

  Result<std::string_view> braces(std::size_t open) {
    char quote = 0;
    for (std::size_t i = open + 1; i < source_.size(); ++i) {
      const char c = source_[i];
      if (quote) {
        if (c == '\\')
          ++i;
        else if (c == quote)
          quote = 0;
      } else if (c == '"' || c == '\'') {
        quote = c;
      } else if (c == '}') {
        at_ = i + 1;
        return trim(source_.substr(open + 1, i - open - 1));
      }
    }
    return bad("unclosed action");
  }

  Result<void> add(std::string_view inside, std::vector<Node>& out) {
    if (inside.size() >= 2 && (inside[0] == '"' || inside[0] == '\'') && inside.back() == inside[0]) {
      MK_ASSIGN(std::string text, unquote(inside));
      out.push_back(text_node(std::move(text)));
      return ok();
    }
    Node node;
    const bool range = inside.substr(0, 6) == "range ";
    if (range) inside = trim(inside.substr(6));
    node.kind = range ? Node::Kind::kRange : Node::Kind::kPath;
    node.from_root = !inside.empty() && inside[0] == '$';
    ExpressionParser parser(inside);
    MK_ASSIGN(node.path, parser.path());
    if (!parser.done()) return bad(fmt::format("unrecognized character in action: {}", parser.rest()));
    if (range) {
      MK_ASSIGN(node.body, nodes(true));
    }
    out.push_back(std::move(node));
    return ok();
  }

  std::string_view source_;
  std::size_t at_ = 0;
};

}  // namespace

Result<std::vector<Node>> parse_template(std::string_view source) {
  return TemplateParser(source).nodes(false);
}

}  // namespace mk::api
