#include <algorithm>

#include "registry/strategies/service_rules.h"

namespace mk::apiserver {

using api::Json;

bool needs_cluster_ip(const Json& spec) {
  return api::str(spec, "type", "ClusterIP") != "ExternalName";
}

bool needs_node_ports(const Json& spec) {
  const auto type = api::str(spec, "type");
  return type == "NodePort" ||
         (type == "LoadBalancer" && api::flag(spec, "allocateLoadBalancerNodePorts", true));
}

bool needs_health_check_port(const Json& spec) {
  return api::str(spec, "type") == "LoadBalancer" && api::str(spec, "externalTrafficPolicy") == "Local";
}

bool externally_accessible(const Json& spec) {
  const auto type = api::str(spec, "type");
  return type == "LoadBalancer" || type == "NodePort" ||
         (type == "ClusterIP" && !api::list(spec, "externalIPs").empty());
}

bool is_headless(const Json& spec) {
  const auto& addresses = api::list(spec, "clusterIPs");
  return api::str(spec, "clusterIP") == "None" || (addresses.size() == 1 && text_of(addresses[0]) == "None");
}

namespace {

void default_ports(Json& spec) {
  auto* ports = edit_list(spec, "ports");
  if (ports == nullptr) return;
  for (auto& port : *ports) {
    if (!port.is_object()) continue;
    default_text(port, "protocol", "TCP");
    const Json* target = api::find(port, "targetPort");
    const bool unset = target == nullptr ||
                       (target->is_string() ? target->get_string().empty() : api::num(*target, "") == 0);
    if (unset && api::find(port, "port")) api::set(port, "targetPort", api::num(port, "port"));
  }
}

void default_affinity(Json& spec) {
  default_text(spec, "sessionAffinity", "None");
  if (api::str(spec, "sessionAffinity") == "None") {
    api::erase(spec, "sessionAffinityConfig");
  } else if (api::str(spec, "sessionAffinity") == "ClientIP") {
    default_to(spec, "sessionAffinityConfig.clientIP.timeoutSeconds", 10800);
  }
}

// clusterIP is the first of clusterIPs. When only the old field is given, the new one follows it.
void sync_cluster_ips(Json& spec) {
  const auto single = api::str(spec, "clusterIP");
  if (!single.empty() && api::list(spec, "clusterIPs").empty()) {
    api::set(spec, "clusterIPs", api::JsonArray{api::text(single)});
  }
}

void default_families(Json& spec) {
  if (!needs_cluster_ip(spec)) return;
  if (is_headless(spec) && api::object(spec, "selector").empty()) {
    // Nobody but the owner of its endpoints knows their families.
    default_text(spec, "ipFamilyPolicy", "RequireDualStack");
    if (api::list(spec, "ipFamilies").empty()) api::set(spec, "ipFamilies", api::JsonArray{"IPv4"});
    auto& families = *edit_list(spec, "ipFamilies");
    if (families.size() == 1 && api::str(spec, "ipFamilyPolicy") != "SingleStack") {
      families.push_back(families[0] == "IPv4" ? Json("IPv6") : Json("IPv4"));
    }
    return;
  }
  default_text(spec, "ipFamilyPolicy", "SingleStack");
  if (api::list(spec, "ipFamilies").empty()) api::set(spec, "ipFamilies", api::JsonArray{"IPv4"});
}

}  // namespace

void default_service_spec(Json& spec) {
  default_text(spec, "type", "ClusterIP");
  default_affinity(spec);
  default_ports(spec);
  if (externally_accessible(spec)) default_text(spec, "externalTrafficPolicy", "Cluster");
  if (needs_cluster_ip(spec)) default_text(spec, "internalTrafficPolicy", "Cluster");
  if (api::str(spec, "type") == "LoadBalancer") default_to(spec, "allocateLoadBalancerNodePorts", true);
  sync_cluster_ips(spec);
  default_families(spec);
}

namespace {

void keep_node_ports(Json& spec, const Json& old) {
  auto* ports = edit_list(spec, "ports");
  if (ports == nullptr) return;
  std::set<std::pair<std::string_view, std::int64_t>> used;
  for (const auto& port : *ports) {
    if (api::num(port, "nodePort") != 0)
      used.emplace(api::str(port, "protocol", "TCP"), api::num(port, "nodePort"));
  }
  const auto take = [&](Json& port, const Json& before) {
    const auto node_port = api::num(before, "nodePort");
    const auto protocol = api::str(port, "protocol", "TCP");
    if (node_port == 0 || !used.emplace(protocol, node_port).second) return;
    api::set(port, "nodePort", node_port);
  };
  for (auto& port : *ports) {
    if (!port.is_object() || api::num(port, "nodePort") != 0) continue;
    for (const auto& before : api::list(old, "ports")) {
      if (api::num(before, "port") == api::num(port, "port") &&
          api::str(before, "protocol", "TCP") == api::str(port, "protocol", "TCP")) {
        take(port, before);
      }
    }
  }
}

}  // namespace

void keep_allocated(Json& spec, const Json& old) {
  // A client that changes only the old field means the new one too.
  if (!same(spec, old, "clusterIP") && same(spec, old, "clusterIPs")) api::erase(spec, "clusterIPs");
  if (needs_cluster_ip(spec) && needs_cluster_ip(old)) {
    if (api::str(spec, "clusterIP").empty() && api::list(spec, "clusterIPs").empty()) {
      copy_field(spec, old, "clusterIP");
      copy_field(spec, old, "clusterIPs");
    }
  }
  if (needs_node_ports(spec) && needs_node_ports(old)) keep_node_ports(spec, old);
  if (needs_health_check_port(spec) && needs_health_check_port(old) &&
      api::num(spec, "healthCheckNodePort") == 0) {
    copy_field(spec, old, "healthCheckNodePort");
  }
}

namespace {

// Those that were there before; a new one next to a type that has none is a mistake to be reported.
void shed_node_ports(Json& spec, const Json& old) {
  auto* ports = edit_list(spec, "ports");
  if (ports == nullptr) return;
  for (auto& port : *ports) {
    const auto number = api::num(port, "nodePort");
    const auto& before = api::list(old, "ports");
    const bool known = std::any_of(before.begin(), before.end(),
                                   [&](const Json& p) { return api::num(p, "nodePort") == number; });
    if (known) api::erase(port, "nodePort");
  }
}

}  // namespace

void shed_type_fields(Json& spec, const Json& old) {
  const auto shed = [&](std::string_view field) {
    if (same(spec, old, field)) api::erase(spec, field);
  };
  if (needs_cluster_ip(old) && !needs_cluster_ip(spec)) {
    for (const auto field :
         {"clusterIPs", "clusterIP", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"})
      shed(field);
  }
  if (needs_node_ports(old) && !needs_node_ports(spec)) {
    shed_node_ports(spec, old);
  }
  if (needs_health_check_port(old) && !needs_health_check_port(spec)) shed("healthCheckNodePort");
  if (api::str(old, "type") == "LoadBalancer" && api::str(spec, "type") != "LoadBalancer") {
    shed("allocateLoadBalancerNodePorts");
    shed("loadBalancerClass");
  }
  if (externally_accessible(old) && !externally_accessible(spec)) shed("externalTrafficPolicy");
}

}  // namespace mk::apiserver
