#pragma once

#include "syntax/ast.h"

namespace mk::cel {

// The expansion of a call that is a macro (has, all, exists, existsOne, map, filter, transform..., cel.bind,
// optMap, optFlatMap), or nullptr for other calls. `target` is null for global calls; `offset` is the call's.
// A misused macro becomes a problem of `ast` and its own target.
Expr* expand_macro(Ast& ast, std::size_t offset, const std::string& name, Expr* target,
                   const std::vector<Expr*>& arguments);

// A finished call node; depth is that of its arguments plus one.
Expr* make_call(Ast& ast, std::size_t offset, std::string name, std::vector<Expr*> arguments);
void set_depth(Expr& expr);

}  // namespace mk::cel
