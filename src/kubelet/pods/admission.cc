#include "pods/admission.h"

#include <fmt/core.h>

#include <algorithm>

#include "mk/api/node_selector.h"

namespace mk::kubelet {

namespace {

struct HostPort {
  std::int64_t port;
  std::string_view ip, protocol;
  bool clashes(const HostPort& other) const {
    const auto any = [](std::string_view address) {
      return address.empty() || address == "0.0.0.0" || address == "::";
    };
    return port == other.port && protocol == other.protocol && (any(ip) || any(other.ip) || ip == other.ip);
  }
};

std::vector<HostPort> host_ports(const Json& pod) {
  std::vector<HostPort> ports;
  for (const char* field : {"spec.containers", "spec.initContainers"}) {
    for (const auto& container : api::list(pod, field)) {
      for (const auto& port : api::list(container, "ports")) {
        const auto number = api::num(port, "hostPort");
        if (number > 0)
          ports.push_back({number, api::str(port, "hostIP"), api::str(port, "protocol", "TCP")});
      }
    }
  }
  return ports;
}

bool ports_taken(const Json& pod, const std::vector<const Json*>& others) {
  const auto wanted = host_ports(pod);
  if (wanted.empty()) return false;
  return std::any_of(others.begin(), others.end(), [&wanted](const Json* other) {
    const auto taken = host_ports(*other);
    return std::any_of(taken.begin(), taken.end(), [&wanted](const HostPort& port) {
      return std::any_of(wanted.begin(), wanted.end(),
                         [&port](const HostPort& want) { return want.clashes(port); });
    });
  });
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
  const std::string name(api::str(node, "metadata.name"));
  return api::any_term_matches(api::parse_node_terms(*required), labels, name);
}

std::optional<ReasonMessage> admit(const Json& pod, const std::vector<const Json*>& others,
                                   const NodeCapacity& node, const Json& node_object) {
  if (!matches_node(pod, node_object))
    return ReasonMessage{
        "NodeAffinity",
        "Pod was rejected: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"};
  if (ports_taken(pod, others))
    return ReasonMessage{
        "NodePorts",
        "Pod was rejected: Predicate NodePorts failed: node(s) didn't have free ports for the "
        "requested pod ports"};
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
