#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <optional>

#include "mk/cel/env.h"
#include "syntax/ast.h"
#include "syntax/lexer.h"
#include "syntax/macros.h"

namespace mk::cel {

namespace {

using Kind = Token::Kind;

// Nodes nest deeper than source does where macros expand and operators chain.
constexpr int kNodeDepth = 4 * limits::kParseDepth;

constexpr std::array<std::string_view, 18> kReserved{
    "as",     "break", "const", "continue", "else", "false",   "for",    "function", "if",
    "import", "in",    "let",   "loop",     "null", "package", "return", "true",     "var"};
constexpr std::array<std::string_view, 3> kReservedToo{"void", "while", "namespace"};

constexpr std::string_view kExpressionStart =
    "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, "
    "IDENTIFIER}";

bool reserved(std::string_view name) {
  return std::find(kReserved.begin(), kReserved.end(), name) != kReserved.end() ||
         std::find(kReservedToo.begin(), kReservedToo.end(), name) != kReservedToo.end();
}

// Thrown nowhere: the parser stops at the first problem by reading kEnd tokens from then on.
class Parser {
 public:
  explicit Parser(Ast& ast) : ast_(ast), tokens_(tokenize(ast)) {}

  void run() {
    if (!ast_.problems.empty()) return;
    ast_.root = expression();
    if (!failed_ && token().kind != Kind::kEnd) {
      fail("Syntax error: mismatched input '" + std::string(token().source) + "' expecting <EOF>");
    }
  }

 private:
  struct Operator {
    std::string_view token, function;
  };

  const Token& token() const { return tokens_[at_]; }
  const Token& ahead(std::size_t by) const { return tokens_[std::min(at_ + by, tokens_.size() - 1)]; }
  static bool is(const Token& token, std::string_view punctuation) {
    return token.kind == Kind::kPunctuation && token.source == punctuation;
  }
  bool is(std::string_view punctuation) const { return is(token(), punctuation); }
  bool accept(std::string_view punctuation) {
    if (!is(punctuation)) return false;
    ++at_;
    return true;
  }
  void expect(std::string_view punctuation) {
    if (!accept(punctuation)) unexpected("'" + std::string(punctuation) + "'");
  }
  Expr* unexpected(std::string_view expected) {
    const std::string found = token().kind == Kind::kEnd ? "<EOF>" : std::string(token().source);
    return fail("Syntax error: mismatched input '" + found + "' expecting " + std::string(expected));
  }
  // A node that nobody looks at.
  Expr* fail(std::string message) {
    if (!failed_) ast_.problem(token().offset, std::move(message));
    failed_ = true;
    at_ = tokens_.size() - 1;
    return ast_.make(Expr::Kind::kConstant, 0);
  }
  Expr* sound(Expr* expr) {
    if (expr->depth > kNodeDepth)
      fail("expression recursion limit exceeded: " + std::to_string(limits::kParseDepth));
    return expr;
  }
  Expr* call(std::size_t offset, std::string_view name, std::vector<Expr*> arguments) {
    return sound(make_call(ast_, offset, std::string(name), std::move(arguments)));
  }

  Expr* expression() {
    if (++nesting_ > limits::kParseDepth)
      return fail("expression recursion limit exceeded: " + std::to_string(limits::kParseDepth));
    Expr* out = disjunction();
    if (const auto offset = token().offset; accept("?")) {
      Expr* yes = disjunction();
      expect(":");
      Expr* no = expression();
      out = call(offset, "_?_:_", {out, yes, no});
    }
    --nesting_;
    return out;
  }

  // && and || of many terms become balanced trees, so that long chains are not deep.
  Expr* balanced(std::string_view function, const std::vector<Expr*>& terms,
                 const std::vector<std::size_t>& offsets, std::size_t first, std::size_t last) {
    if (first == last) return terms[first];
    const std::size_t middle = (first + last) / 2;
    Expr* left = balanced(function, terms, offsets, first, middle);
    Expr* right = balanced(function, terms, offsets, middle + 1, last);
    return call(offsets[middle], function, {left, right});
  }
  template <class Term>
  Expr* chain(std::string_view punctuation, std::string_view function, Term term) {
    std::vector<Expr*> terms{term()};
    std::vector<std::size_t> offsets;
    while (is(punctuation)) {
      offsets.push_back(token().offset);
      ++at_;
      terms.push_back(term());
    }
    return balanced(function, terms, offsets, 0, terms.size() - 1);
  }
  Expr* disjunction() {
    return chain("||", "_||_", [this] { return conjunction(); });
  }
  Expr* conjunction() {
    return chain("&&", "_&&_", [this] { return relation(); });
  }

  template <std::size_t kCount, class Term>
  Expr* binary(const std::array<Operator, kCount>& operators, Term term) {
    Expr* left = term();
    for (;;) {
      const auto found = std::find_if(operators.begin(), operators.end(), [&](const Operator& each) {
        return each.token == token().source &&
               (token().kind == Kind::kPunctuation || token().kind == Kind::kIdent);
      });
      if (found == operators.end()) return left;
      const auto offset = token().offset;
      ++at_;
      Expr* right = term();
      left = call(offset, found->function, {left, right});
    }
  }
  Expr* relation() {
    static constexpr std::array<Operator, 7> kOperators{{{"==", "_==_"},
                                                         {"!=", "_!=_"},
                                                         {"<", "_<_"},
                                                         {"<=", "_<=_"},
                                                         {">", "_>_"},
                                                         {">=", "_>=_"},
                                                         {"in", "@in"}}};
    return binary(kOperators, [this] { return sum(); });
  }
  Expr* sum() {
    static constexpr std::array<Operator, 2> kOperators{{{"+", "_+_"}, {"-", "_-_"}}};
    return binary(kOperators, [this] { return product(); });
  }
  Expr* product() {
    static constexpr std::array<Operator, 3> kOperators{{{"*", "_*_"}, {"/", "_/_"}, {"%", "_%_"}}};
    return binary(kOperators, [this] { return unary(); });
  }

  Expr* unary() {
    for (const auto& [sign, function] : {std::pair("!", "!_"), std::pair("-", "-_")}) {
      if (!is(sign)) continue;
      const bool number = ahead(1).kind == Kind::kInt || ahead(1).kind == Kind::kDouble;
      if (is("-") && number) break;  // a negative literal
      const auto offset = token().offset;
      bool odd = false;
      while (is(sign) &&
             !(is("-") && odd && (ahead(1).kind == Kind::kInt || ahead(1).kind == Kind::kDouble))) {
        odd = !odd;
        ++at_;
      }
      Expr* operand = member();
      return odd ? call(offset, function, {operand}) : operand;
    }
    return member();
  }

  Expr* member() {
    Expr* out = primary();
    while (!failed_) {
      const auto offset = token().offset;
      if (accept(".")) {
        out = select(out, offset);
      } else if (accept("[")) {
        const bool optional = accept("?");
        Expr* index = expression();
        expect("]");
        out = call(offset, optional ? "_[?_]" : "_[_]", {out, index});
      } else if (is("{") && !type_name(*out).empty()) {
        ++at_;
        out = structure(type_name(*out), offset);
      } else {
        break;
      }
    }
    return sound(out);
  }

  Expr* select(Expr* operand, std::size_t offset) {
    const bool optional = accept("?");
    const Token name = token();
    if (name.kind != Kind::kIdent && name.kind != Kind::kEscapedIdent)
      return fail("Syntax error: no viable alternative at input '." + std::string(name.source) + "'");
    static constexpr std::array<std::string_view, 4> kKeywords{"in", "true", "false", "null"};
    if (std::find(kKeywords.begin(), kKeywords.end(), name.source) != kKeywords.end())
      return fail("Syntax error: no viable alternative at input '." + std::string(name.source) + "'");
    ++at_;
    const std::string text(name.kind == Kind::kIdent ? name.source : std::string_view(name.text));
    const auto open = token().offset;
    if (!optional && name.kind == Kind::kIdent && accept("(")) return member_call(operand, text, open);
    if (optional) {
      Expr* field = ast_.make(Expr::Kind::kConstant, name.offset);
      field->constant = Value::string(text);
      return call(offset, "_?._", {operand, field});
    }
    Expr* out = ast_.make(Expr::Kind::kSelect, offset);
    out->name = text;
    out->arguments = {operand};
    set_depth(*out);
    return sound(out);
  }

  Expr* member_call(Expr* target, const std::string& name, std::size_t offset) {
    auto arguments = list_of_expressions(")");
    if (failed_) return target;
    if (Expr* expanded = expand_macro(ast_, offset, name, target, arguments)) return sound(expanded);
    arguments.insert(arguments.begin(), target);
    Expr* out = call(offset, name, std::move(arguments));
    out->member = true;
    return out;
  }

  // Up to and with the closing token; a comma before it is fine in lists only.
  std::vector<Expr*> list_of_expressions(std::string_view close) {
    std::vector<Expr*> out;
    if (accept(close)) return out;
    do {
      out.push_back(expression());
    } while (accept(","));
    expect(close);
    return out;
  }

  // "a.b.c" of a chain of selects, "" for anything else.
  static std::string type_name(const Expr& expr) {
    if (expr.kind == Expr::Kind::kIdent) return expr.name;
    if (expr.kind != Expr::Kind::kSelect || expr.test_only) return "";
    const std::string before = type_name(*expr.arguments[0]);
    return before.empty() ? "" : before + "." + expr.name;
  }

  Expr* structure(std::string name, std::size_t offset) {
    Expr* out = ast_.make(Expr::Kind::kStruct, offset);
    out->name = std::move(name);
    while (!failed_ && !is("}")) {
      const bool optional = accept("?");
      if (token().kind != Kind::kIdent && token().kind != Kind::kEscapedIdent)
        return unexpected("IDENTIFIER");
      out->fields.emplace_back(token().kind == Kind::kIdent ? token().source
                                                            : std::string_view(token().text));
      ++at_;
      expect(":");
      out->arguments.push_back(expression());
      out->optional_entries.push_back(optional);
      if (!accept(",")) break;
    }
    expect("}");
    set_depth(*out);
    return out;
  }

  Expr* list_literal(std::size_t offset) {
    Expr* out = ast_.make(Expr::Kind::kList, offset);
    while (!failed_ && !is("]")) {
      out->optional_entries.push_back(accept("?"));
      out->arguments.push_back(expression());
      if (!accept(",")) break;
    }
    expect("]");
    set_depth(*out);
    return out;
  }

  Expr* map_literal(std::size_t offset) {
    Expr* out = ast_.make(Expr::Kind::kMap, offset);
    while (!failed_ && !is("}")) {
      out->optional_entries.push_back(accept("?"));
      out->arguments.push_back(expression());
      expect(":");
      out->arguments.push_back(expression());
      if (!accept(",")) break;
    }
    expect("}");
    set_depth(*out);
    return out;
  }

  Expr* primary() {
    const auto offset = token().offset;
    if (accept("(")) {
      Expr* out = expression();
      expect(")");
      return out;
    }
    if (accept("[")) return list_literal(offset);
    if (accept("{")) return map_literal(offset);
    const bool rooted = accept(".");
    if (token().kind == Kind::kIdent) return named(rooted);
    if (rooted) return unexpected("IDENTIFIER");
    return literal();
  }

  Expr* named(bool rooted) {
    const Token name = token();
    for (const auto& [word, value] :
         {std::pair("true", Value::of(true)), std::pair("false", Value::of(false)),
          std::pair("null", Value::null())}) {
      if (name.source == word && !rooted) return constant(value);
    }
    if (name.source == "in") return unexpected(kExpressionStart);
    if (reserved(name.source)) return fail("reserved identifier: " + std::string(name.source));
    ++at_;
    const auto open = token().offset;
    if (accept("(")) {
      auto arguments = list_of_expressions(")");
      if (failed_) return ast_.make(Expr::Kind::kConstant, 0);
      if (Expr* expanded = expand_macro(ast_, open, std::string(name.source), nullptr, arguments))
        return expanded;
      return call(open, name.source, std::move(arguments));
    }
    Expr* out = ast_.make(Expr::Kind::kIdent, name.offset);
    out->name = name.source;
    out->global_name = rooted;
    return out;
  }

  Expr* constant(Value value) {
    Expr* out = ast_.make(Expr::Kind::kConstant, token().offset);
    out->constant = std::move(value);
    ++at_;
    return out;
  }

  Expr* literal() {
    const bool negative = is("-");
    const Token& number = negative ? ahead(1) : token();
    switch (number.kind) {
      case Kind::kInt:
      case Kind::kUint:
      case Kind::kDouble: {
        const auto value = number_of(number, negative);
        if (!value) return fail("Syntax error: invalid literal '" + std::string(number.source) + "'");
        at_ += negative;
        return constant(*value);
      }
      case Kind::kString:
        return constant(Value::string(token().text));
      case Kind::kBytes:
        return constant(Value::bytes(token().text));
      default:
        return unexpected(kExpressionStart);
    }
  }

  static std::optional<Value> number_of(const Token& token, bool negative) {
    std::string text(token.source);
    if (token.kind == Kind::kDouble) {
      const double value = std::strtod(text.c_str(), nullptr);
      return Value::of(negative ? -value : value);
    }
    if (token.kind == Kind::kUint) text.pop_back();
    const bool hex = text.size() > 2 && (text[1] == 'x' || text[1] == 'X');
    std::uint64_t value = 0;
    const char* end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data() + (hex ? 2 : 0), end, value, hex ? 16 : 10);
    if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
    if (token.kind == Kind::kUint) return Value::of(value);
    constexpr std::uint64_t kMax = std::uint64_t(1) << 63;
    if (value > kMax || (value == kMax && !negative)) return std::nullopt;
    return Value::integer(static_cast<std::int64_t>(negative ? 0 - value : value));
  }

  Ast& ast_;
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int nesting_ = 0;
  bool failed_ = false;
};

}  // namespace

void parse(Ast& ast) {
  if (ast.source.find_first_not_of(" \t\r\n") == std::string::npos) {
    ast.problem(0, "Syntax error: mismatched input '<EOF>' expecting " + std::string(kExpressionStart));
    return;
  }
  if (count_code_points(ast.source) > limits::kExpressionSize) {
    ast.problem(0, "expression code point size exceeds limit: size: " +
                       std::to_string(count_code_points(ast.source)) + ", limit " +
                       std::to_string(limits::kExpressionSize));
    return;
  }
  Parser(ast).run();
}

}  // namespace mk::cel
