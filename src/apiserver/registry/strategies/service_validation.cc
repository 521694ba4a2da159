#include <fmt/format.h>

#include "registry/strategies/int_or_percent.h"
#include "registry/strategies/names.h"
#include "registry/strategies/service_rules.h"

namespace mk::apiserver {

using api::Json;

namespace {

constexpr std::string_view kOnce = "may not change once set";

void validate_port(const Json& port, bool needs_name, std::set<std::string_view>& names, const Path& path,
                   Report& report) {
  const auto name = api::str(port, "name");
  if (name.empty()) {
    if (needs_name) report.required(path.child("name"));
  } else {
    report.check(path.child("name"), name, api::check_dns1123_label(name));
    if (!names.insert(name).second) report.duplicate(path.child("name"), name);
  }
  const auto number = api::num(port, "port");
  if (!check_port_number(number).empty()) report.invalid(path.child("port"), number, kPortRange);
  check_enum(port, "protocol", {"SCTP", "TCP", "UDP"}, path, report);
  if (const Json* target = api::find(port, "targetPort"))
    validate_port_ref(*target, path.child("targetPort"), report);
  if (const auto protocol = api::str(port, "appProtocol"); !protocol.empty()) {
    report.check(path.child("appProtocol"), protocol, api::check_qualified_name(protocol));
  }
}

void validate_ports(const Json& spec, const Path& path, Report& report) {
  const auto& ports = api::list(spec, "ports");
  const Path ports_path = path.child("ports");
  const auto type = api::str(spec, "type");
  if (ports.empty() && !is_headless(spec) && type != "ExternalName") report.required(ports_path);
  std::set<std::string_view> names;
  std::set<std::string> numbers, node_ports;
  for (std::size_t i = 0; i < ports.size(); ++i) {
    const Path port_path = ports_path[i];
    validate_port(ports[i], ports.size() > 1, names, port_path, report);
    const auto protocol = api::str(ports[i], "protocol");
    const auto node_port = api::num(ports[i], "nodePort");
    if (!numbers.insert(fmt::format("{}/{}", protocol, api::num(ports[i], "port"))).second) {
      report.causes().push_back(api::duplicate(
          port_path.str(),
          fmt::format("{{\"port\":{},\"protocol\":\"{}\"}}", api::num(ports[i], "port"), protocol)));
    }
    if (node_port == 0) continue;
    if (type == "ClusterIP" || type == "ExternalName") {
      report.forbidden(port_path.child("nodePort"), fmt::format("may not be used when `type` is '{}'", type));
    }
    if (!node_ports.insert(fmt::format("{}/{}", protocol, node_port)).second) {
      report.duplicate(port_path.child("nodePort"), node_port);
    }
  }
}

void validate_cluster_ips(const Json& spec, const Path& path, Report& report) {
  const auto type = api::str(spec, "type");
  const auto& addresses = api::list(spec, "clusterIPs");
  const Path addresses_path = path.child("clusterIPs");
  const auto single = api::str(spec, "clusterIP");
  if (type == "ExternalName") {
    if (!addresses.empty() && !is_headless(spec)) {
      report.forbidden(addresses_path, "may not be set when `type` is 'ExternalName'");
    }
    return;
  }
  if (!addresses.empty() && text_of(addresses[0]) != single) {
    report.invalid(addresses_path[0], addresses[0], "first value must match `clusterIP`");
  }
  if (is_headless(spec) && type != "ClusterIP") {
    report.invalid(addresses_path[0], "None", fmt::format("may not be set to 'None' for {} services", type));
  }
  if (addresses.size() > 2) {
    report.invalid(addresses_path, Json(addresses), "may only hold up to 2 values");
  } else if (addresses.size() == 2) {
    report.invalid(addresses_path[1], addresses[1], "this cluster is not configured for dual-stack services");
  }
  for (std::size_t i = 0; i < addresses.size() && i < 2; ++i) {
    const auto address = text_of(addresses[i]);
    if (address == "None" && addresses.size() == 1) continue;
    report.check(addresses_path[i], address, api::check_ip(address));
  }
}

void validate_families(const Json& spec, const Path& path, Report& report) {
  if (!needs_cluster_ip(spec)) {
    for (const std::string_view field : {"ipFamilies", "ipFamilyPolicy"}) {
      if (api::find(spec, field))
        report.forbidden(path.child(field), "may not be set for ExternalName services");
    }
    return;
  }
  check_enum(spec, "ipFamilyPolicy", {"PreferDualStack", "RequireDualStack", "SingleStack"}, path, report,
             Presence::kOptional);
  const auto& families = api::list(spec, "ipFamilies");
  const Path families_path = path.child("ipFamilies");
  const bool free = is_headless(spec) && api::object(spec, "selector").empty();
  for (std::size_t i = 0; i < families.size(); ++i) {
    const auto family = text_of(families[i]);
    if (family != "IPv4" && family != "IPv6") {
      report.not_supported(families_path[i], family, {"IPv4", "IPv6"});
    } else if (family == "IPv6" && !free) {
      report.invalid(families_path[i], family, "not configured on this cluster");
    }
  }
  if (api::str(spec, "ipFamilyPolicy") == "RequireDualStack" && !free) {
    report.invalid(path.child("ipFamilyPolicy"), "RequireDualStack",
                   "this cluster is not configured for dual-stack services");
  }
}

void validate_external_name(const Json& spec, const Path& path, Report& report) {
  auto name = api::str(spec, "externalName");
  if (api::str(spec, "type") != "ExternalName") return;
  if (name.ends_with('.')) name.remove_suffix(1);
  if (name.empty()) {
    report.required(path.child("externalName"));
  } else {
    report.check(path.child("externalName"), name, api::check_dns1123_subdomain(name));
  }
}

void validate_affinity_of(const Json& spec, const Path& path, Report& report) {
  check_enum(spec, "sessionAffinity", {"ClientIP", "None"}, path, report);
  if (api::str(spec, "sessionAffinity") != "ClientIP") return;
  const auto seconds = api::num(spec, "sessionAffinityConfig.clientIP.timeoutSeconds");
  if (seconds <= 0 || seconds > 86400) {
    const Path client = path.child("sessionAffinityConfig.clientIP");
    report.invalid(client.child("timeoutSeconds"), seconds, "must be greater than 0 and less than 86400");
  }
}

void validate_policies(const Json& spec, const Path& path, Report& report) {
  const auto external = api::str(spec, "externalTrafficPolicy");
  if (externally_accessible(spec)) {
    check_enum(spec, "externalTrafficPolicy", {"Cluster", "Local"}, path, report);
  } else if (!external.empty()) {
    report.invalid(path.child("externalTrafficPolicy"), external,
                   "may only be set for externally-accessible services");
  }
  if (needs_cluster_ip(spec)) check_enum(spec, "internalTrafficPolicy", {"Cluster", "Local"}, path, report);
  const auto health = api::num(spec, "healthCheckNodePort");
  if (health != 0 && !needs_health_check_port(spec)) {
    report.invalid(path.child("healthCheckNodePort"), health,
                   "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'");
  }
  if (api::str(spec, "type") != "LoadBalancer") {
    for (const std::string_view field : {"allocateLoadBalancerNodePorts", "loadBalancerClass"}) {
      if (api::find(spec, field))
        report.forbidden(path.child(field), "may only be used when `type` is 'LoadBalancer'");
    }
  } else if (!api::find(spec, "allocateLoadBalancerNodePorts")) {
    report.required(path.child("allocateLoadBalancerNodePorts"));
  }
  check_enum(spec, "trafficDistribution", {"PreferClose", "PreferSameNode", "PreferSameZone"}, path, report,
             Presence::kOptional);
}

void validate_addresses(const Json& spec, const Path& path, Report& report) {
  const auto& external = api::list(spec, "externalIPs");
  const Path external_path = path.child("externalIPs");
  for (std::size_t i = 0; i < external.size(); ++i) {
    report.check(external_path[i], text_of(external[i]), api::check_ip(text_of(external[i])));
  }
  const auto& ranges = api::list(spec, "loadBalancerSourceRanges");
  const Path ranges_path = path.child("loadBalancerSourceRanges");
  if (!ranges.empty() && api::str(spec, "type") != "LoadBalancer") {
    report.forbidden(ranges_path, "may only be used when `type` is 'LoadBalancer'");
  }
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    report.check(ranges_path[i], text_of(ranges[i]), check_cidr(text_of(ranges[i])));
  }
}

}  // namespace

void validate_service_spec(const Json& spec, const Path& path, Report& report) {
  check_enum(spec, "type", {"ClusterIP", "ExternalName", "LoadBalancer", "NodePort"}, path, report);
  validate_ports(spec, path, report);
  validate_labels(api::object(spec, "selector"), path.child("selector"), report);
  validate_affinity_of(spec, path, report);
  validate_cluster_ips(spec, path, report);
  validate_families(spec, path, report);
  validate_external_name(spec, path, report);
  validate_addresses(spec, path, report);
  validate_policies(spec, path, report);
}

void validate_service_update(const Json& spec, const Json& old, const Path& path, Report& report) {
  if (needs_cluster_ip(spec) && needs_cluster_ip(old)) {
    const auto before = api::str(old, "clusterIP");
    if (!before.empty() && api::str(spec, "clusterIP") != before) {
      const Path addresses = path.child("clusterIPs");
      report.invalid(addresses[0], Json(api::list(spec, "clusterIPs")), kOnce);
    }
    const auto& families = api::list(spec, "ipFamilies");
    const auto& old_families = api::list(old, "ipFamilies");
    if (!families.empty() && !old_families.empty() && families[0] != old_families[0]) {
      const Path families_path = path.child("ipFamilies");
      report.invalid(families_path[0], families[0], kOnce);
    }
  }
  const bool balanced = api::str(spec, "type") == "LoadBalancer" && api::str(old, "type") == "LoadBalancer";
  if (balanced && !same(spec, old, "loadBalancerClass")) {
    const Json* value = api::find(spec, "loadBalancerClass");
    report.invalid(path.child("loadBalancerClass"), value ? *value : Json(), kOnce);
  }
}

}  // namespace mk::apiserver
