#include "pods/admission.h"

#include <fmt/core.h>

#include <algorithm>

#include "mk/base/strings.h"

namespace mk::kubelet {

namespace {

bool matches_expression(const Json& expression, const std::string* value) {
  const auto op = api::str(expression, "operator");
  const auto& values = api::list(expression, "values");
  const bool in = value != nullptr && std::any_of(values.begin(), values.end(),
                                                  [&](const Json& v) { return text_of(&v) == *value; });
  if (op == "In") return in;
  if (op == "NotIn") return !in;
  if (op == "Exists") return value != nullptr;
  if (op == "DoesNotExist") return value == nullptr;
  if (value == nullptr || values.empty()) return false;
  const auto have = parse_int(*value), bound = parse_int(text_of(&values.front()));
  if (!have || !bound) return false;
  return op == "Gt" ? *have > *bound : op == "Lt" && *have < *bound;
}

bool matches_term(const Json& term, const Json& node) {
  const auto& labels = api::object(node, "metadata.labels");
  const auto& expressions = api::list(term, "matchExpressions");
  const auto& fields = api::list(term, "matchFields");
  if (expressions.empty() && fields.empty()) return false;
  for (const Json& expression : expressions) {
    const Json* label = labels.if_contains(api::str(expression, "key"));
    const std::string value = text_of(label);
    if (!matches_expression(expression, label == nullptr ? nullptr : &value)) return false;
  }
  for (const Json& field : fields) {
    const std::string name(api::str(node, "metadata.name"));
    if (api::str(field, "key") != "metadata.name" || !matches_expression(field, &name)) return false;
  }
  return true;
}

}  // namespace

bool matches_node(const Json& pod, const Json& node) {
  const auto& labels = api::object(node, "metadata.labels");
  for (const auto& wanted : api::object(pod, "spec.nodeSelector")) {
    const Json* have = labels.if_contains(wanted.key());
    if (have == nullptr || *have != wanted.value()) return false;
  }
  const Json* required =
      api::find(pod, "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution");
  if (required == nullptr) return true;
  const auto& terms = api::list(*required, "nodeSelectorTerms");
  return std::any_of(terms.begin(), terms.end(), [&](const Json& term) { return matches_term(term, node); });
}

std::optional<ReasonMessage> admit(const Json& pod, const std::vector<const Json*>& others,
                                   const NodeCapacity& node, const Json& node_object) {
  if (!matches_node(pod, node_object))
    return ReasonMessage{
        "NodeAffinity",
        "Pod was rejected: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"};
  if (static_cast<std::int64_t>(others.size()) >= node.pods)
    return ReasonMessage{
        "OutOfpods",
        fmt::format(
            "Pod was rejected: Node didn't have enough resource: pods, requested: 1, used: {}, capacity: {}",
            others.size(), node.pods)};
  for (const auto& [name, capacity] : {std::pair<std::string_view, std::int64_t>{"cpu", node.cpu_milli},
                                       {"memory", node.memory},
                                       {"ephemeral-storage", node.ephemeral_storage}}) {
    const auto wanted = pod_request(pod, name);
    if (wanted == 0) continue;
    std::int64_t used = 0;
    for (const Json* other : others) used += pod_request(*other, name);
    if (used + wanted > capacity)
      return ReasonMessage{
          fmt::format("OutOf{}", name),
          fmt::format(
              "Pod was rejected: Node didn't have enough resource: {}, requested: {}, used: {}, capacity: {}",
              name, wanted, used, capacity)};
  }
  return std::nullopt;
}

}  // namespace mk::kubelet
