#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "admission/policies/match.h"
#include "mk/api/object.h"
#include "mk/cel/admission.h"

namespace mk::apiserver {

// A ValidatingAdmissionPolicy or MutatingAdmissionPolicy, compiled once for each generation.
struct Policy {
  explicit Policy(const api::Object& object);

  struct Expression {
    std::string name, text;  // name: of variables, conditions and audit annotations
    cel::Program program;
  };
  struct Validation {
    Expression expression;
    std::string message, reason;
    std::optional<cel::Program> message_expression;
  };
  struct Mutation {
    Expression expression;
    bool json_patch;
  };

  std::string name;
  std::int64_t generation;
  std::string uid;
  MatchResources match;
  bool fails_closed;  // failurePolicy: Fail
  bool reinvoked;     // reinvocationPolicy: IfNeeded
  std::optional<api::Gvk> param_kind;
  std::vector<Expression> conditions, variables, annotations;
  std::vector<Validation> validations;
  std::vector<Mutation> mutations;
  // Why it cannot be compiled, or "". Writes check this, so only objects of other versions of mk have it.
  std::string broken;

 private:
  Result<void> compile(const api::Json& spec);
};

struct PolicyBinding {
  explicit PolicyBinding(const api::Object& object);

  std::string name, policy;
  MatchResources match;
  api::Json param_ref;            // null: none
  std::set<std::string> actions;  // Deny, Warn, Audit
};

}  // namespace mk::apiserver
