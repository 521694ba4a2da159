#pragma once

#include <cstdint>
#include <vector>

#include "mk/cel/env.h"
#include "mk/cel/schema_types.h"

namespace mk::cel {

// Cost of an expression, in the units of limits::kStaticCost, for the smallest and the largest input.
// Saturates.
struct CostEstimate {
  std::uint64_t min = 0, max = 0;
};

// `schemas`: of the Env's variables by position; nullptr or missing where nothing is known of a variable's
// size, which then is what fits into a request. The rule of a list's items or a map's values is evaluated
// once for each: multiply by their number.
CostEstimate estimate_cost(const Program& program, const std::vector<const SchemaNode*>& schemas);

}  // namespace mk::cel
