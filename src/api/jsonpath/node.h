#pragma once

#include <optional>

#include "mk/api/jsonpath.h"

namespace mk::api {

// A step from a set of values to the next.
struct PathStep {
  enum class Kind { kField, kIndex, kSlice, kWildcard, kRecursive, kFilter, kUnion };
  struct Operand {
    std::vector<PathStep> path;  // from the candidate (@); used when no literal
    std::optional<Json> literal;
  };

  Kind kind = Kind::kField;
  std::string field;
  std::optional<std::int64_t> first, last, stride;  // index: first
  std::vector<PathStep> choices;                    // kUnion
  std::string compare;                              // kFilter: "==", "exists" ...
  std::vector<Operand> operands;
};

// A piece of a template: text, an expression, or a range with its body.
struct JsonPath::Node {
  enum class Kind { kText, kPath, kRange };
  Kind kind = Kind::kText;
  std::string text;
  bool from_root = false;      // starts with $
  std::vector<PathStep> path;  // kPath and kRange
  std::vector<Node> body;      // kRange
};

Result<std::vector<JsonPath::Node>> parse_template(std::string_view source);
using PathValues = std::vector<const Json*>;
Result<PathValues> walk(PathValues values, const std::vector<PathStep>& path);

}  // namespace mk::api
