#pragma once

#include <map>
#include <optional>
#include <string>

#include "admission/policies/policies.h"
#include "admission/policies/policy.h"
#include "mk/cel/authorizer.h"

namespace mk::apiserver {

// What all policies see of one request. Values are views of it: it outlives evaluations.
class PolicyRequest : public cel::AuthorizationSource {
 public:
  // `seen` is the resource in the version that the policy asks for, in which the objects are.
  PolicyRequest(const WriteContext& context, const api::Json* object, const api::Json* old,
                const PolicyWorld& world, ResourceRef seen);

  cel::AuthorizationAnswer authorize(const cel::AuthorizationQuery& query) const override;

  cel::Value object() const { return object_ ? cel::Value::json(*object_) : cel::Value::null(); }
  cel::Value old_object() const { return old_ ? cel::Value::json(*old_) : cel::Value::null(); }
  cel::Value request() const;
  cel::Value namespace_object() const;
  cel::Value authorizer() const;

  const WriteContext& context() const { return context_; }
  const PolicyWorld& world() const { return world_; }
  const api::ResourceInfo& seen() const { return *seen_; }

 private:
  const WriteContext& context_;
  const api::Json *object_, *old_;
  const PolicyWorld& world_;
  const ResourceRef seen_;
  // Made when first asked for.
  mutable std::optional<api::Json> request_;
  mutable std::optional<api::Object> namespace_;
};

// One policy with one set of params, over a request: its variables are computed once, when used, and all its
// expressions share a budget.
class PolicyEvaluation : public cel::Bindings {
 public:
  // `params` may be empty: null. All three outlive this.
  PolicyEvaluation(const Policy& policy, const PolicyRequest& request, const api::Object& params);

  cel::Value get(std::size_t index) const override;
  Result<cel::Value> run(const cel::Program& program) const { return program.evaluate(*this, budget_); }

  // Nothing more can be evaluated: what all expressions may cost together is spent.
  bool out_of_budget() const { return budget_.left == 0; }

  // matchConditions. An error is a condition that cannot be evaluated while no other says no.
  Result<bool> conditions_hold() const;

 private:
  class Variables;
  const Policy& policy_;
  const PolicyRequest& request_;
  const api::Object& params_;
  mutable cel::Budget budget_;
  std::shared_ptr<const Variables> variables_;
};

// The parameter objects of a binding for a request; what is missing follows parameterNotFoundAction:
// nothing (Allow: the binding has nothing to say), or an error (Deny). A policy without paramKind, or a
// binding without paramRef, has one empty object.
Result<std::vector<api::Object>> find_params(const Policy& policy, const PolicyBinding& binding,
                                             const PolicyRequest& request);

}  // namespace mk::apiserver
