#include "endpointslice/endpoints.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "kit/objects.h"

namespace mk::controller::endpoints {

bool headless(const api::Json& service) {
  return api::str(service, "spec.clusterIP") == "None";
}

bool backs(const api::Json& pod) {
  return !pod_finished(pod) && !api::str(pod, "status.podIP").empty();
}

std::string pod_address(const api::Json& pod, std::string_view family) {
  const auto is_v6 = [](std::string_view ip) { return ip.find(':') != std::string_view::npos; };
  const bool wanted_v6 = family == "IPv6";
  for (const auto& entry : api::list(pod, "status.podIPs")) {
    const auto ip = api::str(entry, "ip");
    if (!ip.empty() && is_v6(ip) == wanted_v6) return std::string(ip);
  }
  const auto ip = api::str(pod, "status.podIP");
  return !ip.empty() && is_v6(ip) == wanted_v6 ? std::string(ip) : std::string();
}

namespace {

// Containers that serve: the ordinary ones and sidecars (init containers that always restart).
std::int64_t named_port(const api::Json& pod, std::string_view name, std::string_view protocol) {
  const auto search = [&](const api::Json& container) -> std::int64_t {
    for (const auto& port : api::list(container, "ports")) {
      if (api::str(port, "name") == name && api::str(port, "protocol", "TCP") == protocol) {
        return api::num(port, "containerPort");
      }
    }
    return 0;
  };
  for (const auto& container : api::list(pod, "spec.containers")) {
    if (const auto found = search(container)) return found;
  }
  for (const auto& container : api::list(pod, "spec.initContainers")) {
    if (api::str(container, "restartPolicy") != "Always") continue;
    if (const auto found = search(container)) return found;
  }
  return 0;
}

std::int64_t target_of(const api::Json& service_port, const api::Json& pod) {
  const auto* target = api::find(service_port, "targetPort");
  if (target && target->is_string()) {
    return named_port(pod, target->get_string(), api::str(service_port, "protocol", "TCP"));
  }
  const auto number = api::num(service_port, "targetPort");
  return number != 0 ? number : api::num(service_port, "port");
}

}  // namespace

Ports ports_for(const api::Json& service, const api::Json& pod) {
  Ports ports;
  for (const auto& service_port : api::list(service, "spec.ports")) {
    Port port;
    port.port = target_of(service_port, pod);
    if (port.port == 0) continue;
    port.name = api::str(service_port, "name");
    port.protocol = api::str(service_port, "protocol", "TCP");
    port.app_protocol = api::str(service_port, "appProtocol");
    ports.push_back(std::move(port));
  }
  std::sort(ports.begin(), ports.end());
  return ports;
}

Endpoint endpoint_for(const api::Json& service, const api::Object& pod, const api::Object& node,
                      std::string_view family) {
  const auto& json = pod.json();
  Endpoint made;
  made.address = pod_address(json, family);
  made.pod_name = pod.name();
  made.pod_ns = pod.ns();
  made.pod_uid = pod.uid();
  made.node = api::str(json, "spec.nodeName");
  if (node) made.zone = node.label("topology.kubernetes.io/zone");
  const bool in_subdomain = api::str(json, "spec.subdomain") == api::str(service, "metadata.name");
  if (in_subdomain) made.hostname = api::str(json, "spec.hostname");
  made.serving = pod_ready(json);
  made.terminating = pod.deleting();
  made.ready = api::flag(service, "spec.publishNotReadyAddresses") || (made.serving && !made.terminating);
  return made;
}

api::JsonObject derived_labels(const api::Json& service) {
  auto labels = api::object(service, "metadata.labels");
  labels.erase(kHeadless);
  if (headless(service)) labels[kHeadless] = "";
  return labels;
}

namespace {
api::JsonObject target_reference(const Endpoint& endpoint) {
  api::JsonObject reference;
  reference["kind"] = "Pod";
  reference["namespace"] = endpoint.pod_ns;
  reference["name"] = endpoint.pod_name;
  reference["uid"] = endpoint.pod_uid;
  return reference;
}
}  // namespace

api::Json to_json(const Endpoint& endpoint) {
  api::JsonObject made;
  api::JsonArray addresses;
  addresses.emplace_back(endpoint.address);
  made["addresses"] = std::move(addresses);
  api::JsonObject conditions;
  conditions["ready"] = endpoint.ready;
  conditions["serving"] = endpoint.serving;
  conditions["terminating"] = endpoint.terminating;
  made["conditions"] = std::move(conditions);
  if (!endpoint.hostname.empty()) made["hostname"] = endpoint.hostname;
  made["targetRef"] = target_reference(endpoint);
  if (!endpoint.node.empty()) made["nodeName"] = endpoint.node;
  if (!endpoint.zone.empty()) made["zone"] = endpoint.zone;
  return made;
}

api::JsonArray to_json(const Ports& ports) {
  api::JsonArray made;
  for (const auto& port : ports) {
    api::JsonObject entry;
    entry["name"] = port.name;
    entry["port"] = port.port;
    entry["protocol"] = port.protocol;
    if (!port.app_protocol.empty()) entry["appProtocol"] = port.app_protocol;
    made.push_back(std::move(entry));
  }
  return made;
}

namespace {

api::JsonObject legacy_address(const Endpoint& endpoint) {
  api::JsonObject address;
  address["ip"] = endpoint.address;
  if (!endpoint.hostname.empty()) address["hostname"] = endpoint.hostname;
  if (!endpoint.node.empty()) address["nodeName"] = endpoint.node;
  address["targetRef"] = target_reference(endpoint);
  return address;
}

api::JsonObject legacy_subset(const Ports& ports, const std::vector<Endpoint>& endpoints, std::size_t& room,
                              bool& truncated) {
  api::JsonArray ready, not_ready;
  for (const auto& endpoint : endpoints) {
    if (endpoint.terminating && !endpoint.ready) continue;
    if (room == 0) {
      truncated = true;
      break;
    }
    --room;
    (endpoint.ready ? ready : not_ready).push_back(legacy_address(endpoint));
  }
  api::JsonObject subset;
  if (ready.empty() && not_ready.empty()) return subset;
  if (!ready.empty()) subset["addresses"] = std::move(ready);
  if (!not_ready.empty()) subset["notReadyAddresses"] = std::move(not_ready);
  api::JsonArray entries;
  for (auto& entry : to_json(ports)) {
    if (api::str(entry, "name").empty()) api::erase(entry, "name");
    entries.push_back(std::move(entry));
  }
  if (!entries.empty()) subset["ports"] = std::move(entries);
  return subset;
}

}  // namespace

api::Json make_endpoints(const api::Object& service, const Groups& groups, const api::Object& present) {
  constexpr char kOverCapacity[] = "endpoints.kubernetes.io/over-capacity";
  std::size_t room = 1000;
  bool truncated = false;
  api::JsonArray subsets;
  for (const auto& [ports, endpoints] : groups) {
    auto subset = legacy_subset(ports, endpoints, room, truncated);
    if (!subset.empty()) subsets.push_back(std::move(subset));
  }
  api::Json made = present ? present.json() : api::Json(api::JsonObject());
  api::set(made, "apiVersion", "v1");
  api::set(made, "kind", "Endpoints");
  api::set(made, "metadata.name", api::text(service.name()));
  api::set(made, "metadata.namespace", api::text(service.ns()));
  auto labels = derived_labels(service.json());
  labels["endpoints.kubernetes.io/managed-by"] = "endpoint-controller";
  api::set(made, "metadata.labels", labels);
  auto annotations = present ? api::object(made, "metadata.annotations") : api::JsonObject();
  annotations.erase(kOverCapacity);
  if (truncated) annotations[kOverCapacity] = "truncated";
  if (annotations.empty()) {
    api::erase(made, "metadata.annotations");
  } else {
    api::set(made, "metadata.annotations", annotations);
  }
  if (subsets.empty()) {
    api::erase(made, "subsets");
  } else {
    api::set(made, "subsets", subsets);
  }
  return made;
}

}  // namespace mk::controller::endpoints
