#pragma once

#include <optional>
#include <string>

#include "print/jsonpath.h"

namespace mk::kubectl {

// What `kubectl wait --for=` asks: delete, create, condition=Ready[=value], jsonpath={...}[=value].
struct WaitCondition {
  enum class Kind { kDelete, kCreate, kCondition, kJsonPath };
  static Result<WaitCondition> parse(const std::string& text);
  Result<bool> holds(const api::Json& object) const;

  Kind kind = Kind::kCondition;
  std::string name, value;
  std::optional<JsonPath> path;
  bool any_value = false;
};

}  // namespace mk::kubectl
