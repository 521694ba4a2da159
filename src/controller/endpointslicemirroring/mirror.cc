#include "endpointslicemirroring/mirror.h"

#include <map>

#include "endpointslice/endpoints.h"
#include "kit/objects.h"

namespace mk::controller::mirror {

using api::Json;
using api::Object;

namespace {

std::string_view family_of(const Json& address) {
  return api::str(address, "ip").find(':') == std::string_view::npos ? "IPv4" : "IPv6";
}

Json mirrored_endpoint(const Json& address, bool ready) {
  api::JsonObject conditions, endpoint;
  conditions["ready"] = ready;
  endpoint["addresses"] = api::JsonArray{api::text(api::str(address, "ip"))};
  endpoint["conditions"] = std::move(conditions);
  if (const auto name = api::str(address, "hostname"); !name.empty()) endpoint["hostname"] = name;
  if (const auto node = api::str(address, "nodeName"); !node.empty()) endpoint["nodeName"] = node;
  if (const Json* target = api::find(address, "targetRef")) endpoint["targetRef"] = *target;
  return endpoint;
}

// A slice's ports; without a protocol in the older object they speak TCP.
api::JsonArray mirrored_ports(const Json& subset) {
  api::JsonArray ports;
  for (const auto& port : api::list(subset, "ports")) {
    api::JsonObject mirrored;
    mirrored["name"] = api::str(port, "name");
    mirrored["port"] = api::num(port, "port");
    mirrored["protocol"] = api::str(port, "protocol", "TCP");
    if (const auto app = api::str(port, "appProtocol"); !app.empty()) mirrored["appProtocol"] = app;
    ports.push_back(std::move(mirrored));
  }
  return ports;
}

struct Wanted {
  std::string family;
  api::JsonArray ports, endpoints;
};

// By family and ports.
std::map<std::string, Wanted> wanted_slices(const Json& endpoints) {
  std::map<std::string, Wanted> wanted;
  for (const auto& subset : api::list(endpoints, "subsets")) {
    const auto ports = mirrored_ports(subset);
    for (const bool ready : {true, false}) {
      for (const auto& address : api::list(subset, ready ? "addresses" : "notReadyAddresses")) {
        const std::string family(family_of(address));
        auto& slice = wanted[family + canonical_json(ports)];
        slice.family = family;
        slice.ports = ports;
        if (slice.endpoints.size() < kEndpointsMax)
          slice.endpoints.push_back(mirrored_endpoint(address, ready));
      }
    }
  }
  return wanted;
}

api::JsonObject mirrored_labels(const Object& endpoints) {
  auto labels = api::object(endpoints.json(), "metadata.labels");
  labels[endpoints::kServiceName] = endpoints.name();
  labels[endpoints::kManagedBy] = kManager;
  return labels;
}

api::JsonObject mirrored_annotations(const Object& endpoints) {
  auto annotations = api::object(endpoints.json(), "metadata.annotations");
  annotations.erase("kubectl.kubernetes.io/last-applied-configuration");
  return annotations;
}

Json make_slice(const Object& endpoints, Wanted wanted) {
  api::JsonObject metadata, slice;
  metadata["generateName"] = std::string(endpoints.name()) + "-";
  metadata["namespace"] = endpoints.ns();
  metadata["labels"] = mirrored_labels(endpoints);
  if (auto annotations = mirrored_annotations(endpoints); !annotations.empty())
    metadata["annotations"] = std::move(annotations);
  metadata["ownerReferences"] =
      api::JsonArray{controller_reference(endpoints, api::Gvk{"", "v1", "Endpoints"})};
  slice["apiVersion"] = "discovery.k8s.io/v1";
  slice["kind"] = "EndpointSlice";
  slice["metadata"] = std::move(metadata);
  slice["addressType"] = wanted.family;
  slice["endpoints"] = std::move(wanted.endpoints);
  slice["ports"] = std::move(wanted.ports);
  return slice;
}

Json changed_slice(const Object& endpoints, const Object& slice, Wanted wanted) {
  Json json = slice.json();
  api::set(json, "metadata.labels", mirrored_labels(endpoints));
  auto annotations = mirrored_annotations(endpoints);
  if (!annotations.empty() || api::find(json, "metadata.annotations") != nullptr)
    api::set(json, "metadata.annotations", std::move(annotations));
  api::set(json, "endpoints", std::move(wanted.endpoints));
  return json;
}

}  // namespace

bool wants_mirror(const Object& endpoints, const Object& service) {
  if (!endpoints || !service || endpoints.deleting() || service.deleting()) return false;
  if (endpoints.label("endpointslice.kubernetes.io/skip-mirror") == "true") return false;
  if (api::object(endpoints.json(), "metadata.annotations")
          .contains("control-plane.alpha.kubernetes.io/leader"))
    return false;
  return api::object(service.json(), "spec.selector").empty() &&
         api::str(service.json(), "spec.type") != "ExternalName";
}

Changes plan(const Object& endpoints, const std::vector<Object>& existing) {
  Changes changes;
  auto wanted = wanted_slices(endpoints.json());
  for (const auto& slice : existing) {
    const auto found = wanted.find(std::string(api::str(slice.json(), "addressType")) +
                                   canonical_json(api::list(slice.json(), "ports")));
    if (found == wanted.end()) {
      changes.remove.push_back(slice);
      continue;
    }
    auto json = changed_slice(endpoints, slice, std::move(found->second));
    if (json != slice.json()) changes.update.push_back(std::move(json));
    wanted.erase(found);
  }
  for (auto& [key, slice] : wanted) changes.create.push_back(make_slice(endpoints, std::move(slice)));
  return changes;
}

}  // namespace mk::controller::mirror
