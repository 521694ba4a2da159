#pragma once

#include "mk/cel/env.h"
#include "syntax/ast.h"

namespace mk::cel {

// A compiled expression.
struct Program::Body {
  explicit Body(std::string source) : ast(std::move(source)) {}
  Ast ast;
  TypePtr type;
  std::size_t slots = 0;   // of comprehension variables, at most alive at once
  std::vector<bool> uses;  // by variable of the Env
};

}  // namespace mk::cel
