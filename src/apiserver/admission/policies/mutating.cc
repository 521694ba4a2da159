#include <fmt/format.h>

#include "admission/plugins.h"
#include "admission/policies/apply_configuration.h"
#include "admission/policies/evaluation.h"
#include "admission/policies/kinds.h"
#include "admission/policies/policies.h"
#include "admission/policies/policy_set.h"
#include "mk/api/patch.h"

namespace mk::apiserver {

using api::Json;

namespace {

const api::Gvr kPolicies{"admissionregistration.k8s.io", "v1", "mutatingadmissionpolicies"};
const api::Gvr kBindings{"admissionregistration.k8s.io", "v1", "mutatingadmissionpolicybindings"};

class MutatingPolicies : public AdmissionPlugin {
 public:
  explicit MutatingPolicies(const PolicyWorld& world)
      : world_(world), policies_(world.cacher, world.table, kPolicies, kBindings) {}
  std::string_view name() const override { return "MutatingAdmissionPolicy"; }

  // Each policy sees what those before it made of the object. One that is changed after its turn, and asks
  // for it, gets a second one.
  Result<void> mutate(WriteContext& context, Json* object, const Json* old) override {
    if (object == nullptr || exempt_from_policies(context)) return ok();
    const auto& candidates = policies_.about(*context.resource, context.subresource);
    if (candidates.empty()) return ok();
    Json before = *object;
    std::size_t last_change = 0;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      MK_TRY(mutate_by(*candidates[i], context, *object, old));
      if (*object == before) continue;
      last_change = i;
      before = *object;
    }
    for (std::size_t i = 0; i < last_change; ++i) {
      if (candidates[i]->policy->reinvoked) MK_TRY(mutate_by(*candidates[i], context, *object, old));
    }
    return ok();
  }

 private:
  Result<void> mutate_by(const BoundPolicy& bound, WriteContext& context, Json& object, const Json* old) {
    for (const auto& binding : bound.bindings) {
      const MatchInput input{context, &object, old, world_.cacher, world_.table};
      const ResourceRef seen = bound.policy->match.matching(input);
      if (!seen || !binding.match.matches(input)) continue;
      Json draft = in_version(*seen, object);
      const Json before = old != nullptr ? in_version(*seen, *old) : Json();
      const PolicyRequest request(context, &draft, old != nullptr ? &before : nullptr, world_, seen);
      const auto done = apply_binding(*bound.policy, binding, request, draft);
      if (done.ok()) {
        object = in_version(*context.resource, std::move(draft));
      } else if (bound.policy->fails_closed) {
        Error out(
            Reason::kInvalid,
            forbidden_by(context, &object,
                         fmt::format("MutatingAdmissionPolicy '{}' with binding '{}' denied request: {}",
                                     bound.policy->name, binding.name, done.error().message()))
                .message());
        out.group = context.resource->gvr.group;
        out.kind = context.resource->gvr.resource;
        out.name = context.name;
        return out;
      }
    }
    return ok();
  }

  // All of it, or nothing: the caller drops `draft` when it fails.
  Result<void> apply_binding(const Policy& policy, const PolicyBinding& binding, const PolicyRequest& request,
                             Json& draft) {
    if (!policy.broken.empty())
      return Error(Reason::kInvalid, "failed to configure policy: " + policy.broken);
    MK_ASSIGN(const auto params, find_params(policy, binding, request));
    for (const auto& object : params) MK_TRY(apply_params(policy, request, object, draft));
    return ok();
  }

  Result<void> apply_params(const Policy& policy, const PolicyRequest& request, const api::Object& params,
                            Json& draft) {
    {
      const PolicyEvaluation evaluation(policy, request, params);
      MK_ASSIGN(const bool applies, evaluation.conditions_hold());
      if (!applies) return ok();
    }
    for (const auto& mutation : policy.mutations) {
      // The draft changes between mutations: what variables said of it before is old.
      const PolicyEvaluation evaluation(policy, request, params);
      const auto value = evaluation.run(mutation.expression.program);
      if (!value.ok())
        return Error(Reason::kInvalid, fmt::format("expression '{}' resulted in error: {}",
                                                   mutation.expression.text, value.error().message()));
      MK_TRY(apply_mutation(mutation, *value, request.seen(), draft));
    }
    return ok();
  }

  static Result<void> apply_mutation(const Policy::Mutation& mutation, const cel::Value& value,
                                     const api::ResourceInfo& resource, Json& draft) {
    const api::Type* type = schema_of(resource);
    if (type == nullptr) return Error(Reason::kInvalid, "no schema for " + resource.gvr.qualified());
    if (mutation.json_patch) {
      MK_ASSIGN(const Json patch, cel::json_patch_json(value));
      MK_ASSIGN(Json patched, api::apply_json_patch(draft, patch));
      draft = std::move(patched);
    } else {
      MK_ASSIGN(Json configuration, cel::apply_configuration_json(value));
      MK_TRY(merge_configuration(*type, draft, std::move(configuration)));
    }
    return settle(resource, draft);
  }

  const PolicyWorld world_;
  PolicySet policies_;
};

}  // namespace

std::unique_ptr<AdmissionPlugin> make_mutating_policies(PolicyWorld world) {
  return std::make_unique<MutatingPolicies>(world);
}

}  // namespace mk::apiserver
