#pragma once

#include "eval/body.h"

namespace mk::cel {

// Types every node, resolves names, fields and overloads, and gives comprehension variables their slots.
// Problems go to body.ast.
void check(const Env& env, Program::Body& body);

}  // namespace mk::cel
