#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mk/cel/type.h"
#include "mk/cel/value.h"

namespace mk::cel {

struct Overload;

// Calls that the evaluator itself knows; everything else invokes an overload.
enum class Operation {
  kInvoke,
  kAnd,
  kOr,
  kConditional,
  kEqual,
  kNotEqual,
  kIndex,
  kOptionalIndex,
  kOptionalSelect,
  kOptionalOr,
  kOptionalOrValue,
  kNotStrictlyFalse,
  kAppend,
  kPut,
  kMerge,
};

// One node of an expression, filled in by the parser, then by the checker.
struct Expr {
  enum class Kind {
    kConstant,
    kIdent,
    kSelect,         // arguments[0].name
    kCall,           // name(arguments); with `member` the receiver comes first
    kList,           // arguments
    kMap,            // arguments: key, value, key, value ...
    kStruct,         // name{fields[i]: arguments[i]}
    kComprehension,  // arguments: range, initial, condition, step, result
  };

  Kind kind = Kind::kConstant;
  std::size_t offset = 0;  // bytes into the source
  int depth = 1;
  Value constant;
  std::string name;
  std::vector<Expr*> arguments;
  std::vector<std::string> fields;
  std::vector<bool> optional_entries;  // [?a], {?k: v}: of lists by element, of maps and structs by entry
  bool member = false;
  bool test_only = false;                              // has(a.b)
  bool global_name = false;                            // ".name": never a comprehension's variable
  std::string variable, second_variable, accumulator;  // of comprehensions; second may be ""

  // Checked: what it is, and where evaluation finds it.
  TypePtr type;
  Operation operation = Operation::kInvoke;
  std::vector<const Overload*> overloads;
  int slot = -1;    // an ident of a comprehension, or its (first) variable; second and accumulator follow
  int global = -1;  // an ident of the Env
  std::string property;  // of selects: the name in the data
};

struct Problem {
  std::size_t offset = 0;
  std::string message;
};

// Source, nodes and what is wrong with them. Nodes live as long as this.
struct Ast {
  explicit Ast(std::string source_) : source(std::move(source_)) {}

  Expr* make(Expr::Kind kind, std::size_t offset) {
    Expr& expr = nodes.emplace_back();
    expr.kind = kind;
    expr.offset = offset;
    return &expr;
  }
  void problem(std::size_t offset, std::string message) { problems.push_back({offset, std::move(message)}); }
  // All problems by position, each with its line of source.
  std::string report() const;

  std::string source;
  std::deque<Expr> nodes;
  std::vector<Problem> problems;
  Expr* root = nullptr;
};

// Parses and expands macros. Look at ast.problems, and at root only when there are none.
void parse(Ast& ast);

}  // namespace mk::cel
