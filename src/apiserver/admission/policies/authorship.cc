#include <fmt/format.h>

#include "admission/policies/kinds.h"
#include "admission/policies/policies.h"
#include "mk/api/validation.h"

namespace mk::apiserver {

using api::Json;

namespace {

constexpr std::string_view kAny = "*";

// Decisions and messages of a policy tell what is in its params. So whoever names a kind of params must be
// able to read all of it, and whoever binds a policy to params must be able to read those.
class PolicyAuthorship final : public AdmissionPlugin {
 public:
  explicit PolicyAuthorship(const PolicyWorld& world) : world_(world) {}
  std::string_view name() const override { return "PolicyAuthorship"; }

  Result<void> validate(const WriteContext& context, const Json* object, const Json* old) override {
    if (object == nullptr || !exempt_from_policies(context) || !context.subresource.empty()) return ok();
    const bool binding = context.resource->gvr.resource.ends_with("bindings");
    const std::string field = binding ? "spec.paramRef" : "spec.paramKind";
    const Json* params = api::find(*object, field);
    if (params == nullptr) return ok();
    const Json* before = old != nullptr ? api::find(*old, field) : nullptr;
    const bool same_policy =
        old != nullptr && api::str(*object, "spec.policyName") == api::str(*old, "spec.policyName");
    if (before != nullptr && *before == *params && same_policy) return ok();
    Attributes read = binding ? of_binding(context, *object, *params) : of_kind(*params);
    read.user = context.user;
    if (world_.authorizer.authorize(read).allowed) return ok();
    const std::string why =
        binding ? fmt::format("user {} does not have \"get\" permission on the object referenced by paramRef",
                              context.user.name)
                : fmt::format(
                      "user {} must have \"get\" permission on all objects of the referenced paramKind "
                      "(kind={}, apiVersion={})",
                      context.user.name, api::str(*params, "kind"), api::str(*params, "apiVersion"));
    std::vector<Cause> causes;
    causes.push_back(api::forbidden(field, why));
    return api::invalid_object(context.resource->gvk(), api::str(*object, "metadata.name"),
                               std::move(causes));
  }

 private:
  // Reading all objects of a kind; of an unknown one: everything.
  Attributes of_kind(const Json& kind) const {
    Attributes out;
    out.verb = "get";
    out.resource_request = true;
    out.group = out.version = out.resource = kAny;
    out.ns = out.name = kAny;
    const auto gvk = api::parse_gvk(api::str(kind, "apiVersion"), api::str(kind, "kind"));
    if (gvk.version.empty()) return out;
    out.group = gvk.group;
    out.version = gvk.version;
    if (const ResourceRef resource = find_kind(world_.table, gvk)) out.resource = resource->gvr.resource;
    return out;
  }

  Attributes of_binding(const WriteContext& context, const Json& binding, const Json& params) const {
    api::Gvr policies = context.resource->gvr;
    policies.resource = policies.resource.starts_with("validating") ? "validatingadmissionpolicies"
                                                                    : "mutatingadmissionpolicies";
    const auto policy =
        world_.cacher.get(policies, api::Key("", std::string(api::str(binding, "spec.policyName"))));
    const Json* kind = policy ? api::find(policy.json(), "spec.paramKind") : nullptr;
    Attributes out = of_kind(kind != nullptr ? *kind : Json(api::JsonObject()));
    out.ns = api::str(params, "namespace");
    out.name = api::str(params, "name", kAny);
    return out;
  }

  const PolicyWorld world_;
};

}  // namespace

std::unique_ptr<AdmissionPlugin> make_policy_authorship(PolicyWorld world) {
  return std::make_unique<PolicyAuthorship>(world);
}

}  // namespace mk::apiserver
