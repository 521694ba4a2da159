#include "model.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <tuple>

#include "mk/base/strings.h"

namespace mk::proxy {

bool is_ipv4(std::string_view text) {
  in_addr address;
  return inet_pton(AF_INET, std::string(text).c_str(), &address) == 1;
}

namespace {

// "10.0.0.0/8"; whatever else an old object may hold must not reach the rules.
bool is_ipv4_range(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos || !is_ipv4(text.substr(0, slash))) return false;
  const auto bits = parse_int(text.substr(slash + 1));
  return bits && *bits >= 0 && *bits <= 32;
}

std::string_view text_of(const api::Json& json) {
  if (!json.is_string()) return {};
  return {json.get_string().data(), json.get_string().size()};
}

std::vector<std::string> strings(const api::JsonArray& list, bool (*accept)(std::string_view)) {
  std::vector<std::string> out;
  for (const auto& item : list)
    if (const auto text = trim(text_of(item)); accept(text)) out.emplace_back(text);
  return out;
}

std::string cluster_ip_of(const api::Json& service) {
  const auto first = api::str(service, "spec.clusterIP");
  if (is_ipv4(first)) return std::string(first);
  const auto all = strings(api::list(service, "spec.clusterIPs"), is_ipv4);
  return all.empty() ? "" : all[0];
}

// Addresses with ipMode Proxy lead to a load balancer that speaks for itself.
std::vector<std::string> load_balancer_ips(const api::Json& service) {
  std::vector<std::string> out;
  if (api::str(service, "spec.type") != "LoadBalancer") return out;
  for (const auto& ingress : api::list(service, "status.loadBalancer.ingress")) {
    const auto ip = api::str(ingress, "ip");
    if (is_ipv4(ip) && api::str(ingress, "ipMode") != "Proxy") out.emplace_back(ip);
  }
  return out;
}

// A range list that holds no IPv4 range lets nobody in, which is not the same as an absent one.
std::vector<std::string> source_ranges(const api::Json& service) {
  const auto& list = api::list(service, "spec.loadBalancerSourceRanges");
  auto ranges = strings(list, is_ipv4_range);
  if (!list.empty() && ranges.empty()) ranges.emplace_back("255.255.255.255/32");
  if (std::find(ranges.begin(), ranges.end(), "0.0.0.0/0") != ranges.end()) ranges.clear();
  return ranges;
}

// Names become part of rules, so none may hold what iptables-restore reads as more than a word.
bool is_plain(std::string_view name) {
  return std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) || c == '-' || c == '.' || c == '/' || c == ':';
  });
}

bool hints_allow(const api::Json& endpoint, const std::string& node_name) {
  const auto& nodes = api::list(endpoint, "hints.forNodes");
  if (nodes.empty()) return true;
  return std::any_of(nodes.begin(), nodes.end(),
                     [&](const api::Json& n) { return api::str(n, "name") == node_name; });
}

Endpoint read_endpoint(const api::Json& json, std::string_view ip, int port, const std::string& node_name) {
  Endpoint endpoint;
  endpoint.ip = ip;
  endpoint.port = port;
  endpoint.ready = api::flag(json, "conditions.ready", true);
  endpoint.serving = api::flag(json, "conditions.serving", endpoint.ready);
  endpoint.terminating = api::flag(json, "conditions.terminating", false);
  endpoint.local = !node_name.empty() && api::str(json, "nodeName") == node_name;
  endpoint.for_node = hints_allow(json, node_name);
  return endpoint;
}

// During a change the same address may stand in two slices: the readier one counts.
void merge(std::map<std::string, Endpoint>& found, Endpoint endpoint) {
  auto [it, added] = found.try_emplace(endpoint.target(), endpoint);
  if (!added && std::tie(endpoint.ready, endpoint.serving) > std::tie(it->second.ready, it->second.serving))
    it->second = std::move(endpoint);
}

std::vector<Endpoint> read_endpoints(const std::vector<api::Object>& slices, std::string_view port_name,
                                     const std::string& protocol, const std::string& node_name) {
  std::map<std::string, Endpoint> found;
  for (const auto& slice : slices) {
    const auto& json = slice.json();
    if (api::str(json, "addressType", "IPv4") != "IPv4") continue;
    for (const auto& port : api::list(json, "ports")) {
      const auto number = api::num(port, "port");
      if (api::str(port, "name") != port_name || to_lower(api::str(port, "protocol", "TCP")) != protocol)
        continue;
      if (number < 1 || number > 65535) continue;
      for (const auto& endpoint : api::list(json, "endpoints")) {
        const auto& addresses = api::list(endpoint, "addresses");
        if (addresses.empty() || !is_ipv4(text_of(addresses[0]))) continue;  // the others mean nothing
        merge(found, read_endpoint(endpoint, text_of(addresses[0]), static_cast<int>(number), node_name));
      }
    }
  }
  std::vector<Endpoint> out;
  for (auto& [target, endpoint] : found) out.push_back(std::move(endpoint));
  return out;
}

ServicePort read_common(const api::Object& service) {
  const auto& json = service.json();
  ServicePort port;
  port.cluster_ip = cluster_ip_of(json);
  port.external_ips = strings(api::list(json, "spec.externalIPs"), is_ipv4);
  port.load_balancer_ips = load_balancer_ips(json);
  port.source_ranges = source_ranges(json);
  port.internal_local = api::str(json, "spec.internalTrafficPolicy") == "Local";
  port.external_local = api::str(json, "spec.externalTrafficPolicy") == "Local";
  if (api::str(json, "spec.sessionAffinity") == "ClientIP") {
    const auto seconds = api::num(json, "spec.sessionAffinityConfig.clientIP.timeoutSeconds", 10800);
    port.affinity_seconds = static_cast<int>(std::clamp<std::int64_t>(seconds, 1, 86400));
  }
  return port;
}

}  // namespace

api::Key service_of_slice(const api::Object& slice) {
  return api::Key(std::string(slice.ns()), std::string(slice.label("kubernetes.io/service-name")));
}

std::vector<ServicePort> read_service(const api::Object& service, const std::vector<api::Object>& slices,
                                      const std::string& node_name) {
  std::vector<ServicePort> ports;
  if (!service || api::str(service.json(), "spec.type") == "ExternalName") return ports;
  const ServicePort common = read_common(service);
  if (common.cluster_ip.empty()) return ports;
  for (const auto& item : api::list(service.json(), "spec.ports")) {
    ServicePort port = common;
    const auto name = api::str(item, "name");
    port.name = service.key().str() + (name.empty() ? "" : ":" + std::string(name));
    port.protocol = to_lower(api::str(item, "protocol", "TCP"));
    port.port = static_cast<int>(api::num(item, "port"));
    port.node_port = static_cast<int>(api::num(item, "nodePort"));
    if (!is_plain(port.name)) continue;
    if (port.port < 1 || port.port > 65535 || port.node_port < 0 || port.node_port > 65535) continue;
    if (port.protocol != "tcp" && port.protocol != "udp" && port.protocol != "sctp") continue;
    port.endpoints = read_endpoints(slices, name, port.protocol, node_name);
    ports.push_back(std::move(port));
  }
  return ports;
}

std::vector<Endpoint> usable(const std::vector<Endpoint>& endpoints, bool local_only) {
  std::vector<Endpoint> ready, fallback, hinted;
  for (const auto& endpoint : endpoints) {
    if (local_only && !endpoint.local) continue;
    if (endpoint.ready)
      ready.push_back(endpoint);
    else if (endpoint.serving && endpoint.terminating)
      fallback.push_back(endpoint);
  }
  if (ready.empty()) return fallback;
  // Hints are a preference among what is ready, and none for traffic that stays on the node anyway.
  if (!local_only)
    std::copy_if(ready.begin(), ready.end(), std::back_inserter(hinted),
                 [](const Endpoint& e) { return e.for_node; });
  return hinted.empty() ? ready : hinted;
}

}  // namespace mk::proxy
