#pragma once

#include <map>
#include <string>
#include <vector>

#include "mk/api/object.h"
#include "mk/rt/clock.h"

// What backs a Service, computed from its pods. Pure.
namespace mk::controller::endpoints {

inline constexpr char kServiceName[] = "kubernetes.io/service-name";
inline constexpr char kManagedBy[] = "endpointslice.kubernetes.io/managed-by";
inline constexpr char kManager[] = "endpointslice-controller.k8s.io";
inline constexpr char kHeadless[] = "service.kubernetes.io/headless";
inline constexpr std::size_t kSliceMax = 100;

struct Port {
  std::string name, protocol, app_protocol;
  std::int64_t port = 0;
  auto operator<=>(const Port&) const = default;
};
using Ports = std::vector<Port>;  // sorted

struct Endpoint {
  std::string address, pod_name, pod_ns, pod_uid, node, zone, hostname;
  bool ready = false, serving = false, terminating = false;
  bool operator==(const Endpoint&) const = default;
};

// Pods behind a service: selected, with an address, not finished.
bool backs(const api::Json& pod);
// The pod's address of a family ("IPv4", "IPv6"); "" when it has none.
std::string pod_address(const api::Json& pod, std::string_view family);
// The service's ports as this pod serves them; a named target port that the pod lacks is left out.
Ports ports_for(const api::Json& service, const api::Json& pod);
Endpoint endpoint_for(const api::Json& service, const api::Object& pod, const api::Object& node,
                      std::string_view family);

// Endpoints that share their ports, and so a slice.
using Groups = std::map<Ports, std::vector<Endpoint>>;

api::Json to_json(const Endpoint& endpoint);
api::JsonArray to_json(const Ports& ports);

// --- slices ----------------------------------------------------------------------------------------------
struct SliceChanges {
  std::vector<api::Json> create;
  std::vector<api::Json> update;
  std::vector<api::Object> remove;
};
// The fewest writes that make `existing` (slices of one service and family) say `groups`: endpoints stay in
// the slice they are in, new ones fill up slices that change anyway, then those with room.
SliceChanges plan_slices(const api::Object& service, const std::string& family, const Groups& groups,
                         const std::vector<api::Object>& existing);

// --- the older Endpoints object
// ----------------------------------------------------------------------------- The object as it should be,
// given what is there (no object: none yet).
api::Json make_endpoints(const api::Object& service, const Groups& groups, const api::Object& present);

// Labels of an object derived from a service: the service's own, and whether it is headless.
api::JsonObject derived_labels(const api::Json& service);
bool headless(const api::Json& service);

}  // namespace mk::controller::endpoints
