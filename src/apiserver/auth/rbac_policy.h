#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "auth/rules.h"
#include "mk/api/object.h"
#include "mk/api/selector.h"

namespace mk::apiserver {

// RBAC policy compiled for asking: who is bound to which rules where. Fed object by object; one change costs
// what that object holds (and forgets the remembered decisions), never a pass over the others.
//
// An aggregated ClusterRole grants what the ClusterRoles selected by its aggregationRule grant, looked up by
// label here, so that it holds from the moment a contributing role is written. Its own `rules` are what the
// clusterrole-aggregation controller writes back for people to read; they are not consulted.
class RbacPolicy {
 public:
  // Kinds: "Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding". `before` or `after` may be empty.
  void change_role(std::string_view kind, const api::Object& before, const api::Object& after);
  void change_binding(std::string_view kind, const api::Object& before, const api::Object& after);

  Decision authorize(const Attributes& attributes);
  std::vector<PolicyRule> rules_for(const UserInfo& user, const std::string& ns);
  // The rules a role gives in the end, aggregation included; empty when there is no such role.
  std::vector<PolicyRule> role_rules(std::string_view kind, const std::string& ns, const std::string& name);

 private:
  struct Role {
    std::vector<PolicyRule> rules;
    api::JsonObject labels;
    std::vector<api::LabelSelector> aggregates;
    bool aggregated = false;
  };
  struct Grant {
    std::string binding;  // "RoleBinding/ns/name": identity
    std::string role;     // key into roles_
    std::string subject;  // for people: `User "a"`
  };
  using Grants = std::unordered_map<std::string, std::vector<Grant>>;  // by namespace; "": everywhere

  struct NamedRule {
    std::vector<std::string> names;
    std::string reason;
  };
  // A decision for every name at once: names are many, what else is asked repeats.
  struct Verdict {
    bool allowed = false;
    std::string reason;
    std::vector<NamedRule> named;
  };

  static std::string role_key(std::string_view kind, std::string_view ns, std::string_view name);
  static Role compile(const api::Object& role);
  void bind(const api::Object& binding, std::string_view kind, bool add);
  void refresh_aggregated();
  Verdict decide(const Attributes& attributes) const;
  void decide_grants(const std::vector<Grant>& grants, const Attributes& attributes, Verdict& verdict) const;
  template <class Visit>
  void for_each_grant(const UserInfo& user, const std::string& ns, Visit&& visit) const;

  static constexpr std::size_t kRememberedMax = 8192;
  std::unordered_map<std::string, Role> roles_;
  std::unordered_map<std::string, Grants> subjects_;  // "u:name", "g:name"
  std::vector<std::string> aggregated_;               // keys of aggregated roles
  bool aggregated_stale_ = false;
  std::unordered_map<std::string, Verdict> remembered_;
  std::string question_;  // reused, so that asking allocates nothing
};

}  // namespace mk::apiserver
