#include "mk/api/selector.h"

#include <fmt/format.h>

#include <algorithm>

#include "mk/api/validation.h"
#include "mk/base/strings.h"

namespace mk::api {
namespace {

using Op = LabelSelector::Op;
using Requirement = LabelSelector::Requirement;

Error bad(std::string text) {
  return Error(Reason::kBadRequest, std::move(text));
}

Result<void> check(const Requirement& requirement) {
  if (const auto wrong = check_qualified_name(requirement.key); !wrong.empty()) {
    return bad(fmt::format("key: Invalid value: \"{}\": {}", requirement.key, wrong));
  }
  const bool comparison = requirement.op == Op::kGreater || requirement.op == Op::kLess;
  if (comparison && (requirement.values.size() != 1 || !parse_int(requirement.values[0]))) {
    return bad("values[0]: Invalid value: for 'Gt', 'Lt' operators, the value must be an integer");
  }
  for (std::size_t i = 0; i < requirement.values.size(); ++i) {
    if (const auto wrong = check_label_value(requirement.values[i]); !wrong.empty()) {
      return bad(fmt::format("values[{}][{}]: Invalid value: \"{}\": {}", i, requirement.key,
                             requirement.values[i], wrong));
    }
  }
  return ok();
}

// Tokens of the query form: words, and the operators = == != ( ) , ! > <.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<std::vector<Requirement>> parse() {
    std::vector<Requirement> out;
    if (peek().empty()) return out;
    while (true) {
      MK_ASSIGN(auto requirement, requirement_term());
      MK_TRY(check(requirement));
      out.push_back(std::move(requirement));
      const auto token = next();
      if (token.empty()) return out;
      if (token != ",") return bad(fmt::format("found '{}', expected: ',' or 'end of string'", token));
      if (peek().empty()) return bad("found '', expected: identifier after ','");
    }
  }

 private:
  static bool special(char c) { return std::string_view("=!(),><").find(c) != std::string_view::npos; }
  static bool space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

  std::string_view peek() {
    const auto saved = at_;
    const auto token = next();
    at_ = saved;
    return token;
  }

  std::string_view next() {
    while (at_ < text_.size() && space(text_[at_])) ++at_;
    const auto start = at_;
    if (at_ == text_.size()) return {};
    if (special(text_[at_])) {
      const char first = text_[at_++];
      if (at_ < text_.size() && text_[at_] == '=' && (first == '=' || first == '!')) ++at_;
      return text_.substr(start, at_ - start);
    }
    while (at_ < text_.size() && !special(text_[at_]) && !space(text_[at_])) ++at_;
    return text_.substr(start, at_ - start);
  }

  static bool word(std::string_view token) { return !token.empty() && !special(token[0]); }

  Result<Requirement> requirement_term() {
    const bool negated = peek() == "!";
    if (negated) next();
    const auto key = next();
    if (!word(key))
      return bad(fmt::format("unable to parse requirement: found '{}', expected: identifier", key));
    const auto following = peek();
    if (following.empty() || following == ",") {
      return Requirement{std::string(key), negated ? Op::kDoesNotExist : Op::kExists, {}};
    }
    if (negated)
      return bad(fmt::format("unable to parse requirement: found '{}', expected: ',' or 'end of string'",
                             following));
    return operator_term(key, next());
  }

  Result<Requirement> operator_term(std::string_view key, std::string_view token) {
    if (token == "=" || token == "==") return Requirement{std::string(key), Op::kIn, {exact_value()}};
    if (token == "!=") return Requirement{std::string(key), Op::kNotIn, {exact_value()}};
    if (token == ">") return Requirement{std::string(key), Op::kGreater, {exact_value()}};
    if (token == "<") return Requirement{std::string(key), Op::kLess, {exact_value()}};
    if (token == "in" || token == "notin") {
      MK_ASSIGN(auto values, value_set());
      return Requirement{std::string(key), token == "in" ? Op::kIn : Op::kNotIn, std::move(values)};
    }
    return bad(fmt::format("unable to parse requirement: found '{}', expected: in, notin, =, ==, !=, gt, lt",
                           token));
  }

  // "a=" is a valid term: the empty value.
  std::string exact_value() { return word(peek()) ? std::string(next()) : std::string(); }

  Result<std::vector<std::string>> value_set() {
    if (next() != "(") return bad("unable to parse requirement: expected: '(' after in or notin");
    std::vector<std::string> values;
    while (true) {
      values.push_back(exact_value());
      const auto token = next();
      if (token == ")") break;
      if (token != ",")
        return bad(fmt::format("unable to parse requirement: found '{}', expected: ',' or ')'", token));
    }
    std::sort(values.begin(), values.end());
    values.erase(std::unique(values.begin(), values.end()), values.end());
    return values;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

bool satisfied(const Requirement& requirement, const JsonObject& labels) {
  const auto* entry = labels.if_contains(requirement.key);
  const auto* value = entry ? entry->if_string() : nullptr;
  switch (requirement.op) {
    case Op::kExists:
      return value != nullptr;
    case Op::kDoesNotExist:
      return value == nullptr;
    default:
      break;
  }
  if (!value) return requirement.op == Op::kNotIn;
  const std::string_view text(*value);
  if (requirement.op == Op::kGreater || requirement.op == Op::kLess) {
    const auto have = parse_int(text), want = parse_int(requirement.values[0]);
    if (!have || !want) return false;
    return requirement.op == Op::kGreater ? *have > *want : *have < *want;
  }
  const bool found =
      std::find(requirement.values.begin(), requirement.values.end(), text) != requirement.values.end();
  return found == (requirement.op == Op::kIn);
}

Result<Requirement> from_expression(const Json& expression) {
  Requirement requirement{std::string(str(expression, "key")), Op::kIn, {}};
  const auto op = str(expression, "operator");
  for (const auto& value : list(expression, "values")) {
    if (const auto* text = value.if_string()) requirement.values.emplace_back(*text);
  }
  if (op == "In")
    requirement.op = Op::kIn;
  else if (op == "NotIn")
    requirement.op = Op::kNotIn;
  else if (op == "Exists")
    requirement.op = Op::kExists;
  else if (op == "DoesNotExist")
    requirement.op = Op::kDoesNotExist;
  else
    return bad(fmt::format("\"{}\" is not a valid label selector operator", op));
  const bool set = requirement.op == Op::kIn || requirement.op == Op::kNotIn;
  if (set && requirement.values.empty())
    return bad("values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty");
  if (!set && !requirement.values.empty())
    return bad("values: Invalid value: values set must be empty for exists and does not exist");
  MK_TRY(check(requirement));
  return requirement;
}

std::string term_text(const Requirement& requirement) {
  switch (requirement.op) {
    case Op::kExists:
      return requirement.key;
    case Op::kDoesNotExist:
      return "!" + requirement.key;
    case Op::kGreater:
      return requirement.key + ">" + requirement.values[0];
    case Op::kLess:
      return requirement.key + "<" + requirement.values[0];
    default:
      break;
  }
  const bool in = requirement.op == Op::kIn;
  if (requirement.values.size() == 1) return requirement.key + (in ? "=" : "!=") + requirement.values[0];
  return requirement.key + (in ? " in (" : " notin (") + join(requirement.values, ",") + ")";
}

}  // namespace

Result<LabelSelector> LabelSelector::parse(std::string_view text) {
  LabelSelector selector;
  MK_ASSIGN(selector.requirements_, Parser(text).parse());
  return selector;
}

Result<LabelSelector> LabelSelector::from_json(const Json* selector) {
  if (!selector || selector->is_null()) return nothing();
  LabelSelector out = from_map(object(*selector, "matchLabels"));
  for (const auto& requirement : out.requirements_) MK_TRY(check(requirement));
  for (const auto& expression : list(*selector, "matchExpressions")) {
    MK_ASSIGN(auto requirement, from_expression(expression));
    out.requirements_.push_back(std::move(requirement));
  }
  return out;
}

LabelSelector LabelSelector::from_map(const JsonObject& labels) {
  LabelSelector selector;
  for (const auto& label : labels) {
    const auto* text = label.value().if_string();
    selector.requirements_.push_back(
        {std::string(label.key()), Op::kIn, {text ? std::string(*text) : std::string()}});
  }
  return selector;
}

LabelSelector LabelSelector::nothing() {
  LabelSelector selector;
  selector.nothing_ = true;
  return selector;
}

bool LabelSelector::matches(const JsonObject& labels) const {
  if (nothing_) return false;
  return std::all_of(requirements_.begin(), requirements_.end(),
                     [&](const Requirement& requirement) { return satisfied(requirement, labels); });
}

std::string LabelSelector::str() const {
  std::vector<std::string> terms;
  for (const auto& requirement : requirements_) terms.push_back(term_text(requirement));
  std::sort(terms.begin(), terms.end());
  return join(terms, ",");
}

namespace {

// "\," "\=" and "\\" stand for the characters themselves, in values.
Result<std::string> unescape_value(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
      continue;
    }
    if (i + 1 == text.size() || std::string_view("\\,=").find(text[i + 1]) == std::string_view::npos) {
      return bad(fmt::format("invalid field selector: invalid escape sequence in value {}", text));
    }
    out += text[++i];
  }
  return out;
}

std::vector<std::string_view> split_terms(std::string_view text) {
  std::vector<std::string_view> terms;
  std::size_t start = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == ',') {
      terms.push_back(text.substr(start, i - start));
      start = i + 1;
    }
  }
  terms.push_back(text.substr(start));
  return terms;
}

}  // namespace

Result<std::vector<FieldTerm>> parse_field_selector(std::string_view text) {
  std::vector<FieldTerm> out;
  for (const auto term : split_terms(text)) {
    if (trim(term).empty()) continue;
    const auto at = term.find_first_of("=!");
    const auto rest = at == std::string_view::npos ? std::string_view() : term.substr(at);
    const std::size_t width = rest.starts_with("!=") || rest.starts_with("==") ? 2
                              : rest.starts_with("=")                          ? 1
                                                                               : 0;
    if (width == 0) {
      return bad(fmt::format("invalid selector: '{}'; can't understand '{}'", text, term));
    }
    MK_ASSIGN(auto value, unescape_value(rest.substr(width)));
    out.push_back({std::string(trim(term.substr(0, at))), std::move(value), rest[0] == '='});
  }
  return out;
}

}  // namespace mk::api
