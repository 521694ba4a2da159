#include "auth/rbac_authorizer.h"

#include <fmt/format.h>

#include "auth/node_authorizer.h"
#include "auth/rbac_policy.h"

namespace mk::apiserver {
namespace {

class ClusterAuthorizer : public Authorizer {
 public:
  explicit ClusterAuthorizer(Cacher& cacher) : nodes_(cacher), policy_(std::make_shared<RbacPolicy>()) {
    follow(cacher, api::resources::kClusterRoles, "ClusterRole", &RbacPolicy::change_role);
    follow(cacher, api::resources::kRoles, "Role", &RbacPolicy::change_role);
    follow(cacher, api::resources::kClusterRoleBindings, "ClusterRoleBinding", &RbacPolicy::change_binding);
    follow(cacher, api::resources::kRoleBindings, "RoleBinding", &RbacPolicy::change_binding);
  }

  Decision authorize(const Attributes& attributes) override {
    if (attributes.user.in_group("system:masters")) return {true, ""};
    const std::string_view node = node_identity(attributes.user);
    if (node.empty()) return policy_->authorize(attributes);
    Decision by_node = nodes_.authorize(attributes, node);
    if (by_node.allowed) return by_node;
    Decision by_rbac = policy_->authorize(attributes);
    return by_rbac.allowed ? by_rbac : by_node;
  }

  std::vector<PolicyRule> rules_for(const UserInfo& user, const std::string& ns, bool& incomplete) override {
    incomplete = !node_identity(user).empty();
    std::vector<PolicyRule> rules;
    if (user.in_group("system:masters")) {
      rules.push_back({{"*"}, {"*"}, {"*"}, {}, {}});
      rules.push_back({{"*"}, {}, {}, {}, {"*"}});
    }
    for (auto& rule : policy_->rules_for(user, ns)) rules.push_back(std::move(rule));
    return rules;
  }

 private:
  using Change = void (RbacPolicy::*)(std::string_view, const api::Object&, const api::Object&);

  void follow(Cacher& cacher, const api::Gvr& gvr, std::string_view kind, Change change) {
    auto& cache = cacher.resource(gvr);
    cache.for_each(
        "", [&](const api::Object& object) { return (policy_.get()->*change)(kind, {}, object), true; });
    // The handler stays with the cache; the policy may end before it.
    cache.on_change([weak = std::weak_ptr<RbacPolicy>(policy_), kind, change](const CacheEvent& event) {
      if (auto policy = weak.lock())
        (policy.get()->*change)(kind, event.before, event.removed ? api::Object() : event.after);
    });
  }

  NodeAuthorizer nodes_;
  std::shared_ptr<RbacPolicy> policy_;
};

}  // namespace

std::unique_ptr<Authorizer> make_authorizer(Cacher& cacher) {
  return std::make_unique<ClusterAuthorizer>(cacher);
}

Error forbidden_error(const Attributes& attributes, const Decision& decision) {
  std::string text;
  std::string what;
  if (!attributes.resource_request) {
    text = fmt::format("User \"{}\" cannot {} path \"{}\"", attributes.user.name, attributes.verb,
                       attributes.path);
  } else {
    const std::string resource = attributes.subresource.empty()
                                     ? attributes.resource
                                     : attributes.resource + "/" + attributes.subresource;
    const std::string where = attributes.ns.empty() ? "at the cluster scope"
                                                    : fmt::format("in the namespace \"{}\"", attributes.ns);
    text = fmt::format("User \"{}\" cannot {} resource \"{}\" in API group \"{}\" {}", attributes.user.name,
                       attributes.verb, resource, attributes.group, where);
    what = api::Gvr{attributes.group, attributes.version, attributes.resource}.qualified();
    if (!attributes.name.empty()) what += fmt::format(" \"{}\"", attributes.name);
    what += " is ";
  }
  if (!decision.reason.empty()) text += ": " + decision.reason;
  Error error(Reason::kForbidden, what + "forbidden: " + text);
  error.group = attributes.group;
  error.kind = attributes.resource;
  error.name = attributes.name;
  return error;
}

}  // namespace mk::apiserver
