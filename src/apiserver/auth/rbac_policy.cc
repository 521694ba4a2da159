#include "auth/rbac_policy.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

namespace mk::apiserver {
namespace {

std::string quoted_place(std::string_view kind, std::string_view ns, std::string_view name) {
  return ns.empty() ? fmt::format("{} \"{}\"", kind, name) : fmt::format("{} \"{}/{}\"", kind, name, ns);
}

// "" for subjects that name nobody.
std::string subject_key(const api::Json& subject) {
  const auto kind = api::str(subject, "kind"), name = api::str(subject, "name");
  if (kind == "User") return fmt::format("u:{}", name);
  if (kind == "Group") return fmt::format("g:{}", name);
  if (kind == "ServiceAccount")
    return fmt::format("u:system:serviceaccount:{}:{}", api::str(subject, "namespace"), name);
  return "";
}

std::string subject_text(const api::Json& subject) {
  const auto kind = api::str(subject, "kind"), name = api::str(subject, "name");
  return quoted_place(kind, kind == "ServiceAccount" ? api::str(subject, "namespace") : "", name);
}

void write_question(const Attributes& attributes, std::string& out) {
  constexpr char kEnd = '\x01';
  out.clear();
  out.append(attributes.user.name).push_back(kEnd);
  for (const auto& group : attributes.user.groups) out.append(group).push_back(kEnd);
  out.push_back(attributes.resource_request ? '\x02' : '\x03');
  out.append(attributes.verb).push_back(kEnd);
  if (!attributes.resource_request) {
    out.append(attributes.path);
    return;
  }
  out.append(attributes.group).push_back(kEnd);
  out.append(attributes.resource).push_back(kEnd);
  out.append(attributes.subresource).push_back(kEnd);
  out.append(attributes.ns);
}

}  // namespace

std::string RbacPolicy::role_key(std::string_view kind, std::string_view ns, std::string_view name) {
  return kind == "ClusterRole" ? fmt::format("ClusterRole//{}", name) : fmt::format("Role/{}/{}", ns, name);
}

RbacPolicy::Role RbacPolicy::compile(const api::Object& role) {
  Role out;
  const api::Json& json = role.json();
  out.labels = api::object(json, "metadata.labels");
  const api::Json* rule = api::find(json, "aggregationRule");
  out.aggregated = rule != nullptr && rule->is_object();
  if (!out.aggregated) {
    out.rules = read_rules(json);
    return out;
  }
  for (const auto& item : api::list(*rule, "clusterRoleSelectors")) {
    // A selector that does not parse was refused on write; one from elsewhere selects nothing.
    if (auto selector = api::LabelSelector::from_json(&item); selector.ok())
      out.aggregates.push_back(std::move(selector).value());
  }
  return out;
}

void RbacPolicy::change_role(std::string_view kind, const api::Object& before, const api::Object& after) {
  const api::Object& any = after ? after : before;
  const std::string key = role_key(kind, any.ns(), any.name());
  std::erase(aggregated_, key);
  if (after) {
    Role& role = roles_[key] = compile(after);
    if (role.aggregated) aggregated_.push_back(key);
  } else {
    roles_.erase(key);
  }
  if (kind == "ClusterRole") aggregated_stale_ = true;
  remembered_.clear();
}

void RbacPolicy::change_binding(std::string_view kind, const api::Object& before, const api::Object& after) {
  if (before) bind(before, kind, false);
  if (after) bind(after, kind, true);
  remembered_.clear();
}

void RbacPolicy::bind(const api::Object& binding, std::string_view kind, bool add) {
  const api::Json& json = binding.json();
  const std::string ns(binding.ns());
  const std::string identity = quoted_place(kind, ns, binding.name());
  const auto role_kind = api::str(json, "roleRef.kind");
  if (role_kind != "ClusterRole" && (role_kind != "Role" || ns.empty())) return;
  const std::string role = role_key(role_kind, ns, api::str(json, "roleRef.name"));
  for (const auto& subject : api::list(json, "subjects")) {
    const std::string key = subject_key(subject);
    if (key.empty()) continue;
    auto& grants = subjects_[key];
    auto& here = grants[ns];
    if (add) {
      here.push_back({identity, role, subject_text(subject)});
      continue;
    }
    std::erase_if(here, [&](const Grant& grant) { return grant.binding == identity; });
    if (here.empty()) grants.erase(ns);
    if (grants.empty()) subjects_.erase(key);
  }
}

void RbacPolicy::refresh_aggregated() {
  aggregated_stale_ = false;
  // An aggregated role may select another one (admin selects edit, edit selects view): collect through them,
  // each role once, which also ends circles.
  for (const auto& key : aggregated_) {
    Role& role = roles_[key];
    std::vector<PolicyRule> rules;
    std::set<const Role*> seen = {&role};
    std::vector<const Role*> open = {&role};
    while (!open.empty()) {
      const Role* current = open.back();
      open.pop_back();
      for (const auto& [other_key, other] : roles_) {
        const bool selected = other_key.starts_with("ClusterRole/") &&
                              std::any_of(current->aggregates.begin(), current->aggregates.end(),
                                          [&labels = other.labels](const api::LabelSelector& selector) {
                                            return selector.matches(labels);
                                          });
        if (!selected || !seen.insert(&other).second) continue;
        if (other.aggregated) {
          open.push_back(&other);
        } else {
          rules.insert(rules.end(), other.rules.begin(), other.rules.end());
        }
      }
    }
    role.rules = std::move(rules);
  }
}

template <class Visit>
void RbacPolicy::for_each_grant(const UserInfo& user, const std::string& ns, Visit&& visit) const {
  const auto visit_subject = [&](const std::string& key) {
    const auto grants = subjects_.find(key);
    if (grants == subjects_.end()) return;
    if (const auto found = grants->second.find(""); found != grants->second.end()) visit(found->second);
    if (ns.empty()) return;
    if (const auto found = grants->second.find(ns); found != grants->second.end()) visit(found->second);
  };
  visit_subject("u:" + user.name);
  for (const auto& group : user.groups) visit_subject("g:" + group);
}

void RbacPolicy::decide_grants(const std::vector<Grant>& grants, const Attributes& attributes,
                               Verdict& verdict) const {
  for (const auto& grant : grants) {
    const auto role = roles_.find(grant.role);
    if (role == roles_.end()) continue;
    for (const auto& rule : role->second.rules) {
      const Match match = match_rule(rule, attributes);
      if (match == Match::kNo) continue;
      const auto parts = grant.role.rfind('/');
      std::string reason = fmt::format("RBAC: allowed by {} of {} \"{}\" to {}", grant.binding,
                                       grant.role.substr(0, grant.role.find('/')),
                                       grant.role.substr(parts + 1), grant.subject);
      if (match == Match::kIfNamed) {
        verdict.named.push_back({rule.names, std::move(reason)});
        continue;
      }
      verdict.allowed = true;
      verdict.reason = std::move(reason);
      return;
    }
  }
}

RbacPolicy::Verdict RbacPolicy::decide(const Attributes& attributes) const {
  Verdict verdict;
  // Roles in a namespace say nothing about paths.
  for_each_grant(attributes.user, attributes.resource_request ? attributes.ns : "",
                 [&](const std::vector<Grant>& grants) {
                   if (!verdict.allowed) decide_grants(grants, attributes, verdict);
                 });
  return verdict;
}

Decision RbacPolicy::authorize(const Attributes& attributes) {
  if (aggregated_stale_) refresh_aggregated();
  write_question(attributes, question_);
  auto found = remembered_.find(question_);
  if (found == remembered_.end()) {
    if (remembered_.size() >= kRememberedMax) remembered_.clear();
    found = remembered_.emplace(question_, decide(attributes)).first;
  }
  const Verdict& verdict = found->second;
  if (verdict.allowed) return {true, verdict.reason};
  for (const auto& rule : verdict.named) {
    if (std::find(rule.names.begin(), rule.names.end(), attributes.name) != rule.names.end())
      return {true, rule.reason};
  }
  return {};
}

std::vector<PolicyRule> RbacPolicy::rules_for(const UserInfo& user, const std::string& ns) {
  if (aggregated_stale_) refresh_aggregated();
  std::vector<PolicyRule> out;
  std::set<std::string_view> seen;
  for_each_grant(user, ns, [&](const std::vector<Grant>& grants) {
    for (const auto& grant : grants) {
      const auto role = roles_.find(grant.role);
      if (role == roles_.end() || !seen.insert(grant.role).second) continue;
      for (const auto& rule : role->second.rules) out.push_back(rule);
    }
  });
  return out;
}

std::vector<PolicyRule> RbacPolicy::role_rules(std::string_view kind, const std::string& ns,
                                               const std::string& name) {
  if (aggregated_stale_) refresh_aggregated();
  const auto role = roles_.find(role_key(kind, ns, name));
  return role == roles_.end() ? std::vector<PolicyRule>() : role->second.rules;
}

}  // namespace mk::apiserver
