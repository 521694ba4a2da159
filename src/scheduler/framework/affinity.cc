// Reading of affinity terms and topology spread constraints.
#include <algorithm>

#include "framework/types.h"
#include "mk/base/strings.h"

namespace mk::scheduler {

bool PodAffinityTerm::selects(const std::string& ns, const api::JsonObject& ns_labels,
                              const api::JsonObject& pod_labels) const {
  const bool in_namespace =
      namespaces.count(ns) != 0 || (namespace_selector && namespace_selector->matches(ns_labels));
  return in_namespace && selector.matches(pod_labels);
}

namespace {

// matchLabelKeys and mismatchLabelKeys: the pod's own values of those keys become part of the selector.
api::LabelSelector with_label_keys(const api::Json& holder, const PodInfo& pod) {
  const auto* present = api::find(holder, "labelSelector");
  if (!present) return api::LabelSelector::nothing();
  api::Json selector = *present;
  api::JsonArray expressions = api::list(selector, "matchExpressions");
  const auto take = [&](const char* field, const char* op) {
    for (const auto& key : api::list(holder, field)) {
      const auto* value = key.is_string() ? pod.labels.if_contains(key.get_string()) : nullptr;
      if (!value) continue;
      api::JsonArray values;
      values.push_back(*value);
      api::JsonObject expression;
      expression["key"] = key;
      expression["operator"] = op;
      expression["values"] = std::move(values);
      expressions.push_back(std::move(expression));
    }
  };
  take("matchLabelKeys", "In");
  take("mismatchLabelKeys", "NotIn");
  if (!expressions.empty()) api::set(selector, "matchExpressions", std::move(expressions));
  auto parsed = api::LabelSelector::from_json(&selector);
  return parsed.ok() ? *parsed : api::LabelSelector::nothing();
}

PodAffinityTerm parse_pod_term(const api::Json& term, const PodInfo& pod) {
  PodAffinityTerm made;
  made.selector = with_label_keys(term, pod);
  made.topology_key = api::str(term, "topologyKey");
  for (const auto& ns : api::list(term, "namespaces")) {
    if (ns.is_string()) made.namespaces.emplace(ns.get_string());
  }
  const auto* selector = api::find(term, "namespaceSelector");
  if (selector) {
    auto parsed = api::LabelSelector::from_json(selector);
    made.namespace_selector = parsed.ok() ? *parsed : api::LabelSelector::nothing();
  } else if (made.namespaces.empty()) {
    made.namespaces.insert(pod.key.ns);
  }
  return made;
}

void parse_pod_terms(const api::Json& affinity, const PodInfo& pod, std::vector<PodAffinityTerm>& required,
                     std::vector<PodAffinityTerm>& preferred) {
  for (const auto& term : api::list(affinity, "requiredDuringSchedulingIgnoredDuringExecution")) {
    required.push_back(parse_pod_term(term, pod));
  }
  for (const auto& weighted : api::list(affinity, "preferredDuringSchedulingIgnoredDuringExecution")) {
    const auto* term = api::find(weighted, "podAffinityTerm");
    if (!term) continue;
    preferred.push_back(parse_pod_term(*term, pod));
    preferred.back().weight = api::num(weighted, "weight");
  }
}

}  // namespace

void parse_affinity(PodInfo& info, const api::Json& pod) {
  info.node_selector = api::object(pod, "spec.nodeSelector");
  constexpr char kRequired[] = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution";
  if (api::find(pod, kRequired)) {
    info.required_nodes.emplace();
    for (const auto& term : api::list(pod, std::string(kRequired) + ".nodeSelectorTerms")) {
      info.required_nodes->push_back(api::parse_node_term(term));
    }
  }
  constexpr char kPreferred[] = "spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution";
  for (const auto& weighted : api::list(pod, kPreferred)) {
    if (const auto* term = api::find(weighted, "preference")) {
      info.preferred_nodes.emplace_back(api::num(weighted, "weight"), api::parse_node_term(*term));
    }
  }
  if (const auto* affinity = api::find(pod, "spec.affinity.podAffinity")) {
    parse_pod_terms(*affinity, info, info.required_affinity, info.preferred_affinity);
  }
  if (const auto* affinity = api::find(pod, "spec.affinity.podAntiAffinity")) {
    parse_pod_terms(*affinity, info, info.required_anti, info.preferred_anti);
  }
}

void parse_spread(PodInfo& info, const api::Json& pod) {
  for (const auto& entry : api::list(pod, "spec.topologySpreadConstraints")) {
    SpreadConstraint made;
    made.max_skew = api::num(entry, "maxSkew", 1);
    made.min_domains = api::num(entry, "minDomains");
    made.topology_key = api::str(entry, "topologyKey");
    made.hard = api::str(entry, "whenUnsatisfiable", "DoNotSchedule") == "DoNotSchedule";
    made.honor_affinity = api::str(entry, "nodeAffinityPolicy", "Honor") == "Honor";
    made.honor_taints = api::str(entry, "nodeTaintsPolicy", "Ignore") == "Honor";
    made.selector = with_label_keys(entry, info);
    info.spread.push_back(std::move(made));
  }
}

}  // namespace mk::scheduler
