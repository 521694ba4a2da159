#include "bootstrap/policy.h"

#include <algorithm>
#include <map>
#include <set>

#include "auth/rules.h"
#include "mk/base/assert.h"
#include "mk/base/strings.h"

extern "C" const char mk_apiserver_policy_begin[];
extern "C" const char mk_apiserver_policy_end[];

namespace mk::apiserver {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;

constexpr std::string_view kGroup = "rbac.authorization.k8s.io";
constexpr std::string_view kAutoupdate = "rbac.authorization.kubernetes.io/autoupdate";

JsonObject section(const Json& policy, std::string_view name) {
  return api::object(policy, name);
}

Json start(std::string_view kind, std::string_view ns, std::string_view name) {
  JsonObject metadata, labels, annotations, out;
  labels["kubernetes.io/bootstrapping"] = "rbac-defaults";
  annotations[kAutoupdate] = "true";
  metadata["name"] = name;
  if (!ns.empty()) metadata["namespace"] = ns;
  metadata["labels"] = std::move(labels);
  metadata["annotations"] = std::move(annotations);
  out["apiVersion"] = std::string(kGroup) + "/v1";
  out["kind"] = kind;
  out["metadata"] = std::move(metadata);
  return out;
}

Json role(std::string_view ns, std::string_view name, const Json& rules) {
  Json out = start(ns.empty() ? "ClusterRole" : "Role", ns, name);
  out.as_object()["rules"] = rules;
  return out;
}

Json cluster_role(std::string_view name, const Json& entry) {
  const Json* rules = api::member(entry, "rules");
  Json out = role("", name, rules == nullptr ? Json(JsonArray()) : *rules);
  for (const auto& [key, value] : api::object(entry, "labels"))
    out.as_object()["metadata"].as_object()["labels"].as_object()[key] = value;
  const auto label = api::str(entry, "aggregate");
  if (label.empty()) return out;
  JsonObject labels, selector, rule;
  labels[label] = "true";
  selector["matchLabels"] = std::move(labels);
  rule["clusterRoleSelectors"] = JsonArray{std::move(selector)};
  out.as_object()["aggregationRule"] = std::move(rule);
  return out;
}

JsonObject subject(std::string_view kind, std::string_view name) {
  JsonObject out;
  if (kind == "ServiceAccount") {
    const auto slash = name.find('/');
    out["kind"] = kind;
    out["name"] = name.substr(slash + 1);
    out["namespace"] = name.substr(0, slash);
    return out;
  }
  out["apiGroup"] = kGroup;
  out["kind"] = kind;
  out["name"] = name;
  return out;
}

Json binding(std::string_view ns, std::string_view name, const Json& entry) {
  Json out = start(ns.empty() ? "ClusterRoleBinding" : "RoleBinding", ns, name);
  JsonObject reference;
  reference["apiGroup"] = kGroup;
  reference["kind"] = ns.empty() ? "ClusterRole" : "Role";
  reference["name"] = api::str(entry, "role");
  JsonArray subjects;
  const std::pair<std::string_view, std::string_view> kKinds[] = {
      {"users", "User"}, {"groups", "Group"}, {"serviceAccounts", "ServiceAccount"}};
  for (const auto& [key, kind] : kKinds) {
    for (const auto& item : api::list(entry, key)) {
      if (const auto* text = item.if_string()) subjects.emplace_back(subject(kind, *text));
    }
  }
  out.as_object()["roleRef"] = std::move(reference);
  if (!subjects.empty()) out.as_object()["subjects"] = std::move(subjects);
  return out;
}

void append_new(JsonArray& to, const JsonArray& from) {
  for (const auto& item : from) {
    if (std::find(to.begin(), to.end(), item) == to.end()) to.push_back(item);
  }
}

// The rules that a role collects by label, through roles that aggregate themselves.
void collect_rules(const std::map<std::string, Json>& roles, const Json& aggregated,
                   std::set<std::string>& seen, JsonArray& rules) {
  for (const auto& selector : api::list(aggregated, "aggregationRule.clusterRoleSelectors")) {
    for (const auto& [label, value] : api::object(selector, "matchLabels")) {
      for (const auto& [name, other] : roles) {
        const Json* own = api::member(*api::find(other, "metadata.labels"), label);
        if (own == nullptr || *own != value || !seen.insert(name).second) continue;
        append_new(rules, api::list(other, "rules"));
        collect_rules(roles, other, seen, rules);
      }
    }
  }
}

void fill_aggregated(std::vector<Json>& objects) {
  std::map<std::string, Json> roles;
  for (const auto& object : objects) {
    if (api::str(object, "kind") == "ClusterRole")
      roles[std::string(api::str(object, "metadata.name"))] = object;
  }
  for (auto& object : objects) {
    if (api::member(object, "aggregationRule") == nullptr) continue;
    std::set<std::string> seen = {std::string(api::str(object, "metadata.name"))};
    JsonArray rules;
    collect_rules(roles, object, seen, rules);
    object.as_object()["rules"] = std::move(rules);
  }
}

// Members of `wanted` that the map at `path` lacks or has otherwise.
bool merge_map(Json& object, std::string_view path, const Json& wanted) {
  JsonObject merged = api::object(object, path);
  bool changed = false;
  for (const auto& [key, value] : api::object(wanted, path)) {
    if (const Json* own = merged.if_contains(key); own != nullptr && *own == value) continue;
    merged[key] = value;
    changed = true;
  }
  if (changed) api::set(object, path, std::move(merged));
  return changed;
}

bool merge_list(Json& object, std::string_view path, const Json& wanted) {
  JsonArray merged = api::list(object, path);
  const auto before = merged.size();
  append_new(merged, api::list(wanted, path));
  const bool changed = merged.size() != before;
  if (changed) api::set(object, path, std::move(merged));
  return changed;
}

// Compared by what they allow, not by how they are written.
bool merge_rules(Json& object, const Json& wanted) {
  const auto missing = uncovered_rules(read_rules(object), read_rules(wanted));
  if (missing.empty()) return false;
  JsonArray rules = api::list(object, "rules");
  for (auto& rule : rules_json(missing)) rules.push_back(std::move(rule));
  api::set(object, "rules", std::move(rules));
  return true;
}

// An apiGroup that is written out and the same one by default are equal: kind decides it.
JsonObject subject_identity(const Json& subject) {
  JsonObject out;
  for (const std::string_view key : {"kind", "name", "namespace"}) {
    if (const auto value = api::str(subject, key); !value.empty()) out[key] = value;
  }
  return out;
}

bool merge_subjects(Json& object, const Json& wanted) {
  JsonArray merged = api::list(object, "subjects");
  bool changed = false;
  for (const auto& item : api::list(wanted, "subjects")) {
    const auto same = [identity = subject_identity(item)](const Json& own) {
      return subject_identity(own) == identity;
    };
    if (std::any_of(merged.begin(), merged.end(), same)) continue;
    merged.push_back(item);
    changed = true;
  }
  if (changed) api::set(object, "subjects", std::move(merged));
  return changed;
}

}  // namespace

std::vector<Json> bootstrap_policy() {
  const std::string_view text(mk_apiserver_policy_begin, mk_apiserver_policy_end - mk_apiserver_policy_begin);
  const auto parsed = api::parse_yaml(text);
  MK_ASSERT(parsed.ok());
  std::vector<Json> out;
  for (const auto& [name, entry] : section(*parsed, "clusterRoles")) out.push_back(cluster_role(name, entry));
  for (const auto& [name, rules] : section(*parsed, "controllers")) {
    const std::string full = "system:controller:" + std::string(name);
    out.push_back(role("", full, rules));
    JsonObject bound;
    bound["role"] = full;
    bound["serviceAccounts"] = JsonArray{Json("kube-system/" + std::string(name))};
    out.push_back(binding("", full, bound));
  }
  for (const auto& [name, entry] : section(*parsed, "clusterBindings"))
    out.push_back(binding("", name, entry));
  for (const auto& [ns, roles] : section(*parsed, "roles")) {
    for (const auto& [name, rules] : roles.as_object()) out.push_back(role(ns, name, rules));
  }
  for (const auto& [ns, bindings] : section(*parsed, "bindings")) {
    for (const auto& [name, entry] : bindings.as_object()) out.push_back(binding(ns, name, entry));
  }
  fill_aggregated(out);
  return out;
}

std::optional<Json> reconcile_policy(const Json& existing, const Json& wanted) {
  const Json* annotations = api::find(existing, "metadata.annotations");
  const Json* autoupdate = annotations == nullptr ? nullptr : api::member(*annotations, kAutoupdate);
  if (autoupdate != nullptr && *autoupdate == Json("false")) return std::nullopt;
  if (api::member(wanted, "roleRef") != nullptr &&
      (api::str(existing, "roleRef.kind") != api::str(wanted, "roleRef.kind") ||
       api::str(existing, "roleRef.name") != api::str(wanted, "roleRef.name")))
    return std::nullopt;
  Json out = existing;
  bool changed = merge_map(out, "metadata.labels", wanted);
  changed |= merge_map(out, "metadata.annotations", wanted);
  changed |= merge_subjects(out, wanted);
  // What an aggregated role collects is the aggregation controller's to write.
  changed |= api::member(wanted, "aggregationRule") != nullptr
                 ? merge_list(out, "aggregationRule.clusterRoleSelectors", wanted)
                 : merge_rules(out, wanted);
  return changed ? std::optional<Json>(std::move(out)) : std::nullopt;
}

}  // namespace mk::apiserver
