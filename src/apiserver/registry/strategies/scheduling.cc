#include "registry/strategies/scheduling.h"

#include <fmt/format.h>

#include "registry/strategies/label_selectors.h"

namespace mk::apiserver {

using api::Json;

namespace {

void validate_node_requirement(const Json& requirement, const Path& path, Report& report) {
  const auto op = api::str(requirement, "operator"), key = api::str(requirement, "key");
  const auto count = api::list(requirement, "values").size();
  if (op == "In" || op == "NotIn") {
    if (count == 0)
      report.required(path.child("values"), "must be specified when `operator` is 'In' or 'NotIn'");
  } else if (op == "Exists" || op == "DoesNotExist") {
    if (count != 0) {
      report.forbidden(path.child("values"),
                       "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    }
  } else if (op == "Gt" || op == "Lt") {
    if (count != 1)
      report.required(path.child("values"), "must be specified single value when `operator` is 'Lt' or 'Gt'");
  } else {
    report.invalid(path.child("operator"), op, "not a valid selector operator");
  }
  report.check(path.child("key"), key, api::check_qualified_name(key));
}

void validate_field_requirement(const Json& requirement, const Path& path, Report& report) {
  const auto op = api::str(requirement, "operator"), key = api::str(requirement, "key");
  const auto& values = api::list(requirement, "values");
  if (op == "In" || op == "NotIn") {
    if (values.size() != 1) {
      report.required(path.child("values"),
                      "must be only one value when `operator` is 'In' or 'NotIn' for node field selector");
    }
  } else {
    report.invalid(path.child("operator"), op, "not a valid selector operator");
  }
  if (key != "metadata.name") {
    report.invalid(path.child("key"), key, "not a valid field selector key");
    return;
  }
  const Path values_path = path.child("values");
  for (std::size_t i = 0; i < values.size(); ++i) {
    report.check(values_path[i], text_of(values[i]), api::check_dns1123_subdomain(text_of(values[i])));
  }
}

void validate_weight(const Json& term, const Path& path, Report& report) {
  if (const auto weight = api::num(term, "weight"); weight < 1 || weight > 100) {
    report.invalid(path.child("weight"), weight, "must be in the range 1-100");
  }
}

void validate_pod_term(const Json& term, const Path& path, Report& report) {
  validate_label_selector(api::find(term, "labelSelector"), path.child("labelSelector"), report);
  validate_label_selector(api::find(term, "namespaceSelector"), path.child("namespaceSelector"), report);
  const Path namespaces_path = path.child("namespaces");
  for (const auto& ns : api::list(term, "namespaces")) {
    report.check(namespaces_path, text_of(ns), api::check_dns1123_label(text_of(ns)));
  }
  const auto topology = api::str(term, "topologyKey");
  if (topology.empty()) report.required(path.child("topologyKey"), "can not be empty");
  report.check(path.child("topologyKey"), topology, api::check_qualified_name(topology));
}

void validate_pod_affinity(const Json& affinity, const Path& path, Report& report) {
  const auto& required = api::list(affinity, "requiredDuringSchedulingIgnoredDuringExecution");
  const Path required_path = path.child("requiredDuringSchedulingIgnoredDuringExecution");
  for (std::size_t i = 0; i < required.size(); ++i) validate_pod_term(required[i], required_path[i], report);
  const auto& preferred = api::list(affinity, "preferredDuringSchedulingIgnoredDuringExecution");
  const Path preferred_path = path.child("preferredDuringSchedulingIgnoredDuringExecution");
  for (std::size_t i = 0; i < preferred.size(); ++i) {
    const Path term_path = preferred_path[i];
    validate_weight(preferred[i], term_path, report);
    if (const Json* term = api::find(preferred[i], "podAffinityTerm")) {
      validate_pod_term(*term, term_path.child("podAffinityTerm"), report);
    }
  }
}

void validate_node_affinity(const Json& affinity, const Path& path, Report& report) {
  if (const Json* required = api::find(affinity, "requiredDuringSchedulingIgnoredDuringExecution")) {
    validate_node_selector(*required, path.child("requiredDuringSchedulingIgnoredDuringExecution"), report);
  }
  const auto& preferred = api::list(affinity, "preferredDuringSchedulingIgnoredDuringExecution");
  const Path preferred_path = path.child("preferredDuringSchedulingIgnoredDuringExecution");
  for (std::size_t i = 0; i < preferred.size(); ++i) {
    const Path term_path = preferred_path[i];
    validate_weight(preferred[i], term_path, report);
    if (const Json* term = api::find(preferred[i], "preference")) {
      validate_node_selector_term(*term, term_path.child("preference"), report);
    }
  }
}

}  // namespace

void validate_node_selector_term(const Json& term, const Path& path, Report& report) {
  const auto& expressions = api::list(term, "matchExpressions");
  const auto& fields = api::list(term, "matchFields");
  const Path expressions_path = path.child("matchExpressions"), fields_path = path.child("matchFields");
  for (std::size_t i = 0; i < expressions.size(); ++i) {
    validate_node_requirement(expressions[i], expressions_path[i], report);
  }
  for (std::size_t i = 0; i < fields.size(); ++i)
    validate_field_requirement(fields[i], fields_path[i], report);
}

void validate_node_selector(const Json& selector, const Path& path, Report& report) {
  const auto& terms = api::list(selector, "nodeSelectorTerms");
  const Path terms_path = path.child("nodeSelectorTerms");
  if (terms.empty()) report.required(terms_path, "must have at least one node selector term");
  for (std::size_t i = 0; i < terms.size(); ++i) validate_node_selector_term(terms[i], terms_path[i], report);
}

void validate_affinity(const Json& affinity, const Path& path, Report& report) {
  if (const Json* node = api::find(affinity, "nodeAffinity")) {
    validate_node_affinity(*node, path.child("nodeAffinity"), report);
  }
  for (const std::string_view name : {"podAffinity", "podAntiAffinity"}) {
    if (const Json* pods = api::member(affinity, name))
      validate_pod_affinity(*pods, path.child(name), report);
  }
}

void validate_tolerations(const api::JsonArray& tolerations, const Path& path, Report& report) {
  for (std::size_t i = 0; i < tolerations.size(); ++i) {
    const auto& toleration = tolerations[i];
    const Path toleration_path = path[i];
    const auto key = api::str(toleration, "key"), op = api::str(toleration, "operator");
    const auto value = api::str(toleration, "value"), effect = api::str(toleration, "effect");
    if (!key.empty()) report.check(toleration_path.child("key"), key, api::check_qualified_name(key));
    if (key.empty() && op != "Exists") {
      report.invalid(
          toleration_path.child("operator"), op,
          "operator must be Exists when `key` is empty, which means \"match all values and all keys\"");
    }
    if (api::find(toleration, "tolerationSeconds") && effect != "NoExecute") {
      report.invalid(toleration_path.child("effect"), effect,
                     "effect must be 'NoExecute' when `tolerationSeconds` is set");
    }
    if (op.empty() || op == "Equal") {
      report.check(toleration_path.child("operator"), value, api::check_label_value(value));
    } else if (op == "Exists") {
      if (!value.empty()) {
        report.invalid(toleration_path.child("operator"), toleration,
                       "value must be empty when `operator` is 'Exists'");
      }
    } else {
      report.not_supported(toleration_path.child("operator"), op, {"Equal", "Exists"});
    }
    check_enum(toleration, "effect", {"NoExecute", "NoSchedule", "PreferNoSchedule"}, toleration_path, report,
               Presence::kOptional);
  }
}

namespace {

void validate_spread_domains(const Json& constraint, const Path& path, Report& report) {
  const Json* domains = api::find(constraint, "minDomains");
  if (domains == nullptr) return;
  if (api::num(constraint, "minDomains") <= 0)
    report.invalid(path.child("minDomains"), *domains, "must be greater than 0");
  if (api::str(constraint, "whenUnsatisfiable") != "DoNotSchedule") {
    report.invalid(path.child("minDomains"), *domains,
                   fmt::format("can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {}",
                               api::str(constraint, "whenUnsatisfiable")));
  }
}

void validate_spread_label_keys(const Json& constraint, const Path& path, Report& report) {
  const auto& keys = api::list(constraint, "matchLabelKeys");
  const Path keys_path = path.child("matchLabelKeys");
  if (!keys.empty() && !api::find(constraint, "labelSelector")) {
    report.forbidden(keys_path, "must not be specified when labelSelector is not set");
  }
  for (std::size_t i = 0; i < keys.size(); ++i) {
    report.check(keys_path[i], text_of(keys[i]), api::check_qualified_name(text_of(keys[i])));
  }
}

}  // namespace

void validate_topology_spread(const api::JsonArray& constraints, const Path& path, Report& report) {
  std::set<std::string> seen;
  for (std::size_t i = 0; i < constraints.size(); ++i) {
    const auto& constraint = constraints[i];
    const Path constraint_path = path[i];
    const auto skew = api::num(constraint, "maxSkew");
    if (skew <= 0) report.invalid(constraint_path.child("maxSkew"), skew, "must be greater than zero");
    const auto topology = api::str(constraint, "topologyKey"),
               when = api::str(constraint, "whenUnsatisfiable");
    if (topology.empty()) {
      report.required(constraint_path.child("topologyKey"), "can not be empty");
    } else {
      report.check(constraint_path.child("topologyKey"), topology, api::check_qualified_name(topology));
    }
    if (when != "DoNotSchedule" && when != "ScheduleAnyway") {
      report.not_supported(constraint_path.child("whenUnsatisfiable"), when,
                           {"DoNotSchedule", "ScheduleAnyway"});
    }
    const auto pair = fmt::format("{{{}, {}}}", topology, when);
    if (!seen.insert(pair).second) {
      const Path pair_path = constraint_path.child("{topologyKey, whenUnsatisfiable}");
      report.duplicate(pair_path, pair);
    }
    validate_spread_domains(constraint, constraint_path, report);
    for (const std::string_view policy : {"nodeAffinityPolicy", "nodeTaintsPolicy"}) {
      check_enum(constraint, policy, {"Honor", "Ignore"}, constraint_path, report, Presence::kOptional);
    }
    validate_spread_label_keys(constraint, constraint_path, report);
    validate_label_selector(api::find(constraint, "labelSelector"), constraint_path.child("labelSelector"),
                            report);
  }
}

void validate_scheduling_gates(const Json& spec, const Path& path, Report& report) {
  const auto& gates = api::list(spec, "schedulingGates");
  const Path gates_path = path.child("schedulingGates");
  std::set<std::string_view> seen;
  for (std::size_t i = 0; i < gates.size(); ++i) {
    const Path gate_path = gates_path[i];
    const auto name = api::str(gates[i], "name");
    report.check(gate_path, name, api::check_qualified_name(name));
    if (!seen.insert(name).second) report.duplicate(gate_path, name);
  }
}

}  // namespace mk::apiserver
