#include <fmt/format.h>

#include "mk/base/strings.h"
#include "table/cells.h"

namespace mk::api {
namespace {

std::string ingress_addresses(const Json& object) {
  std::string out;
  for (const auto& point : list(object, "status.loadBalancer.ingress")) {
    const auto ip = str(point, "ip");
    out += (out.empty() ? "" : ",") + std::string(ip.empty() ? str(point, "hostname") : ip);
  }
  return out;
}

std::string external_ip(const Json& service) {
  const auto type = str(service, "spec.type");
  if (type == "ExternalName") return or_none(str(service, "spec.externalName"));
  std::string out = type == "LoadBalancer" ? ingress_addresses(service) : "";
  const auto external = joined(list(service, "spec.externalIPs"));
  if (!external.empty()) out += (out.empty() ? "" : ",") + external;
  if (!out.empty()) return out;
  return type == "LoadBalancer" ? "<pending>" : "<none>";
}

std::string service_ports(const Json& service) {
  std::vector<std::string> parts;
  for (const auto& port : list(service, "spec.ports")) {
    const auto node = num(port, "nodePort");
    const auto number = num(port, "port");
    const auto protocol = str(port, "protocol", "TCP");
    parts.push_back(node ? fmt::format("{}:{}/{}", number, node, protocol)
                         : fmt::format("{}/{}", number, protocol));
  }
  return or_none(join(parts, ","));
}

void service(const RowContext& row, JsonArray& out) {
  const auto& o = row.object;
  out.emplace_back(object_name(row));
  out.emplace_back(str(o, "spec.type", "ClusterIP"));
  out.emplace_back(or_none(str(o, "spec.clusterIP")));
  out.emplace_back(external_ip(o));
  out.emplace_back(service_ports(o));
  out.emplace_back(age_of(row));
  out.emplace_back(labels_text(object(o, "spec.selector")));
}

// The first few of a list, then how many more.
std::string shortened(const std::vector<std::string>& parts, std::size_t shown) {
  if (parts.size() <= shown) return join(parts, ",");
  return fmt::format("{} + {} more...",
                     join({parts.begin(), parts.begin() + static_cast<std::ptrdiff_t>(shown)}, ","),
                     parts.size() - shown);
}

void endpoints(const RowContext& row, JsonArray& out) {
  std::vector<std::string> parts;
  for (const auto& subset : list(row.object, "subsets")) {
    const auto& ports = list(subset, "ports");
    for (const auto& address : list(subset, "addresses")) {
      const auto ip = str(address, "ip");
      if (ports.empty()) parts.emplace_back(ip);
      for (const auto& port : ports) {
        parts.push_back(ip.find(':') == std::string_view::npos
                            ? fmt::format("{}:{}", ip, num(port, "port"))
                            : fmt::format("[{}]:{}", ip, num(port, "port")));
      }
    }
  }
  out.emplace_back(object_name(row));
  out.emplace_back(or_none(shortened(parts, 3)));
  out.emplace_back(age_of(row));
}

void endpoint_slice(const RowContext& row, JsonArray& out) {
  std::vector<std::string> ports, addresses;
  for (const auto& port : list(row.object, "ports")) {
    ports.push_back(find(port, "port") ? std::to_string(num(port, "port")) : "*");
  }
  for (const auto& endpoint : list(row.object, "endpoints")) {
    for (const auto& address : list(endpoint, "addresses")) {
      if (const auto* text = address.if_string()) addresses.emplace_back(*text);
    }
  }
  out.emplace_back(object_name(row));
  out.emplace_back(str(row.object, "addressType"));
  out.emplace_back(ports.empty() ? "<unset>" : shortened(ports, 3));
  out.emplace_back(addresses.empty() ? "<unset>" : shortened(addresses, 3));
  out.emplace_back(age_of(row));
}

void ingress(const RowContext& row, JsonArray& out) {
  const auto& o = row.object;
  std::vector<std::string> hosts;
  for (const auto& rule : list(o, "spec.rules")) {
    const auto host = str(rule, "host");
    hosts.emplace_back(host.empty() ? "*" : host);
  }
  out.emplace_back(object_name(row));
  out.emplace_back(or_none(str(o, "spec.ingressClassName")));
  out.emplace_back(hosts.empty() ? "*" : shortened(hosts, 3));
  out.emplace_back(ingress_addresses(o));
  out.emplace_back(list(o, "spec.tls").empty() ? "80" : "80, 443");
  out.emplace_back(age_of(row));
}

void ingress_class(const RowContext& row, JsonArray& out) {
  const auto& o = row.object;
  const auto kind = str(o, "spec.parameters.kind"), group = str(o, "spec.parameters.apiGroup");
  out.emplace_back(object_name(row));
  out.emplace_back(str(o, "spec.controller"));
  out.emplace_back(kind.empty() ? "<none>"
                                : fmt::format("{}{}{}/{}", kind, group.empty() ? "" : ".", group,
                                              str(o, "spec.parameters.name")));
  out.emplace_back(age_of(row));
}

void network_policy(const RowContext& row, JsonArray& out) {
  out.emplace_back(object_name(row));
  out.emplace_back(selector_text(find(row.object, "spec.podSelector")));
  out.emplace_back(age_of(row));
}

void ip_address(const RowContext& row, JsonArray& out) {
  const auto& o = row.object;
  out.emplace_back(object_name(row));
  const auto ns = str(o, "spec.parentRef.namespace"), group = str(o, "spec.parentRef.group");
  out.emplace_back(fmt::format("{}{}{}/{}{}{}", str(o, "spec.parentRef.resource"), group.empty() ? "" : ".",
                               group, ns, ns.empty() ? "" : "/", str(o, "spec.parentRef.name")));
  out.emplace_back(age_of(row));
}

void service_cidr(const RowContext& row, JsonArray& out) {
  out.emplace_back(object_name(row));
  out.emplace_back(joined(list(row.object, "spec.cidrs")));
  out.emplace_back(age_of(row));
}

}  // namespace

void add_network_printers(std::vector<Printer>& out) {
  out.push_back({"",
                 "Service",
                 {name_column(), text_column("Type"), text_column("Cluster-IP"), text_column("External-IP"),
                  text_column("Port(s)"), age_column(), text_column("Selector", 1)},
                 service});
  out.push_back({"", "Endpoints", {name_column(), text_column("Endpoints"), age_column()}, endpoints});
  out.push_back({"discovery.k8s.io",
                 "EndpointSlice",
                 {name_column(), text_column("AddressType"), text_column("Ports"), text_column("Endpoints"),
                  age_column()},
                 endpoint_slice});
  out.push_back({"networking.k8s.io",
                 "Ingress",
                 {name_column(), text_column("Class"), text_column("Hosts"), text_column("Address"),
                  text_column("Ports"), age_column()},
                 ingress});
  out.push_back({"networking.k8s.io",
                 "IngressClass",
                 {name_column(), text_column("Controller"), text_column("Parameters"), age_column()},
                 ingress_class});
  out.push_back({"networking.k8s.io",
                 "NetworkPolicy",
                 {name_column(), text_column("Pod-Selector"), age_column()},
                 network_policy});
  out.push_back({"networking.k8s.io",
                 "IPAddress",
                 {name_column(), text_column("ParentRef"), age_column()},
                 ip_address});
  out.push_back({"networking.k8s.io",
                 "ServiceCIDR",
                 {name_column(), text_column("CIDRs"), age_column()},
                 service_cidr});
}

}  // namespace mk::api
