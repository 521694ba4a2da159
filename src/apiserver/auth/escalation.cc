#include "auth/escalation.h"

#include <fmt/format.h>

#include <algorithm>

#include "auth/rules.h"
#include "mk/api/resource.h"

namespace mk::apiserver {
namespace {

using api::Json;

constexpr std::string_view kGroup = "rbac.authorization.k8s.io";

// Without what the garbage collector and the server itself change: such a write cannot grant anything. Labels
// do: they aggregate.
Json without_bookkeeping(Json object) {
  for (const std::string_view path :
       {"metadata.ownerReferences", "metadata.finalizers", "metadata.managedFields",
        "metadata.resourceVersion", "metadata.generation"})
    api::erase(object, path);
  return object;
}

class RbacEscalation : public AdmissionPlugin {
 public:
  RbacEscalation(Cacher& cacher, Authorizer& authorizer) : cacher_(cacher), authorizer_(authorizer) {}
  std::string_view name() const override { return "RBACEscalation"; }

  Result<void> validate(const WriteContext& context, const Json* object, const Json* old) override {
    if (object == nullptr || context.resource == nullptr || context.resource->gvr.group != kGroup)
      return ok();
    if (context.user.in_group("system:masters")) return ok();
    if (old != nullptr && without_bookkeeping(*object) == without_bookkeeping(*old)) return ok();
    const std::string& resource = context.resource->gvr.resource;
    const bool role = resource == "roles" || resource == "clusterroles";
    if (!role && resource != "rolebindings" && resource != "clusterrolebindings") return ok();
    auto result = role ? check_role(context, *object) : check_binding(context, *object);
    return result.ok() ? result : refusal(context, *object, result.error());
  }

 private:
  bool may(const WriteContext& context, std::string verb, std::string resource, std::string ns,
           std::string name) {
    Attributes attributes;
    attributes.user = context.user;
    attributes.verb = std::move(verb);
    attributes.group = kGroup;
    attributes.version = "*";
    attributes.resource = std::move(resource);
    attributes.ns = std::move(ns);
    attributes.name = std::move(name);
    return authorizer_.authorize(attributes).allowed;
  }

  // A create names its object in the body only.
  static std::string name_of(const WriteContext& context, const Json& object) {
    return context.name.empty() ? std::string(api::str(object, "metadata.name")) : context.name;
  }

  Result<void> check_held(const WriteContext& context, const std::vector<PolicyRule>& wanted) {
    bool incomplete = false;
    return check_escalation(context.user, authorizer_.rules_for(context.user, context.ns, incomplete),
                            wanted);
  }

  Result<void> check_role(const WriteContext& context, const Json& role) {
    if (may(context, "escalate", context.resource->gvr.resource, context.ns, name_of(context, role)))
      return ok();
    MK_TRY(check_held(context, read_rules(role)));
    if (const Json* rule = api::find(role, "aggregationRule"); rule != nullptr && rule->is_object()) {
      // What it will collect later is unknown, so everything must be held.
      const std::vector<PolicyRule> everything = {{{"*"}, {"*"}, {"*"}, {}, {}}, {{"*"}, {}, {}, {}, {"*"}}};
      if (!check_held(context, everything).ok())
        return Error(Reason::kForbidden, "must have cluster-admin privileges to use an aggregationRule");
    }
    return ok();
  }

  Result<void> check_binding(const WriteContext& context, const Json& binding) {
    const bool cluster = api::str(binding, "roleRef.kind") == "ClusterRole";
    const std::string role_name(api::str(binding, "roleRef.name"));
    if (may(context, "bind", cluster ? "clusterroles" : "roles", context.ns, role_name)) return ok();
    const api::Gvr& gvr = cluster ? api::resources::kClusterRoles : api::resources::kRoles;
    const api::Object role = cacher_.get(gvr, api::Key(cluster ? "" : context.ns, role_name));
    if (!role)
      return Error(Reason::kNotFound, fmt::format("{} \"{}\" not found", gvr.qualified(), role_name));
    return check_held(context, effective_rules(role));
  }

  // An aggregated role's own rules are written behind the roles it collects: take both.
  std::vector<PolicyRule> effective_rules(const api::Object& role) {
    std::vector<PolicyRule> rules = read_rules(role.json());
    const Json* aggregation = api::find(role.json(), "aggregationRule");
    if (aggregation == nullptr) return rules;
    std::vector<std::string> open = {std::string(role.name())}, seen = open;
    while (!open.empty()) {
      const api::Object current = cacher_.get(api::resources::kClusterRoles, api::Key("", open.back()));
      open.pop_back();
      if (!current) continue;
      for (const auto& selector_json : api::list(current.json(), "aggregationRule.clusterRoleSelectors")) {
        const auto selector = api::LabelSelector::from_json(&selector_json);
        if (selector.ok()) collect(*selector, rules, open, seen);
      }
    }
    return rules;
  }

  void collect(const api::LabelSelector& selector, std::vector<PolicyRule>& rules,
               std::vector<std::string>& open, std::vector<std::string>& seen) {
    cacher_.resource(api::resources::kClusterRoles).for_each("", [&](const api::Object& other) {
      const std::string other_name(other.name());
      if (!selector.matches(api::object(other.json(), "metadata.labels"))) return true;
      if (std::find(seen.begin(), seen.end(), other_name) != seen.end()) return true;
      seen.push_back(other_name);
      open.push_back(other_name);
      for (auto& rule : read_rules(other.json())) rules.push_back(std::move(rule));
      return true;
    });
  }

  Error refusal(const WriteContext& context, const Json& object, const Error& why) {
    if (!why.is(Reason::kForbidden)) return why;
    const std::string name = name_of(context, object);
    Error error(Reason::kForbidden, fmt::format("{} \"{}\" is forbidden: {}",
                                                context.resource->gvr.qualified(), name, why.message()));
    error.group = kGroup;
    error.kind = context.resource->gvr.resource;
    error.name = name;
    return error;
  }

  Cacher& cacher_;
  Authorizer& authorizer_;
};

}  // namespace

Result<void> check_escalation(const UserInfo& user, const std::vector<PolicyRule>& held,
                              const std::vector<PolicyRule>& wanted) {
  const auto missing = uncovered_rules(held, wanted);
  if (missing.empty()) return ok();
  std::string text = fmt::format(
      "user \"{}\" (groups={}) is attempting to grant RBAC permissions not currently held:", user.name,
      quoted_list(user.groups));
  for (const auto& rule : missing) text += "\n" + rule_text(rule);
  return Error(Reason::kForbidden, std::move(text));
}

std::unique_ptr<AdmissionPlugin> make_rbac_escalation(Cacher& cacher, Authorizer& authorizer) {
  return std::make_unique<RbacEscalation>(cacher, authorizer);
}

}  // namespace mk::apiserver
