#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pods/resources.h"
#include "status/pod_status.h"

// In-place resize (KEP-1287): a running pod's spec may ask for other cpu and memory. The node grants what
// fits, all of it or nothing, and then brings the containers there. Pure.
namespace mk::kubelet {

// What the spec asks for, by container: {"limits": ..., "requests": ...} of regular containers and sidecars.
Allocation wanted_resources(const Json& pod);
// What an earlier kubelet had granted, as the pod's status tells it; the spec's for containers that never
// ran.
Allocation granted_resources(const Json& pod);
// Equal in cpu and memory, however they are written.
bool same_amounts(const Json& a, const Json& b);
bool same_amounts(const Allocation& a, const Allocation& b);
// The pod as if its spec asked for these.
Json with_resources(const Json& pod, const Allocation& resources);

// Why the node cannot grant what the spec asks for: "Infeasible" (never) or "Deferred" (not now; `others`
// hold the rest). nullopt: it can.
std::optional<ReasonMessage> check_resize(const Json& pod, const std::vector<const Json*>& others,
                                          const NodeCapacity& node);
// Must the container start again for this change (its resizePolicy)?
bool restarts_for(const Json& container, const Json& from, const Json& to);
// Room for either, resource by resource; 0 is no limit.
LinuxResources widest(const LinuxResources& a, const LinuxResources& b);

}  // namespace mk::kubelet
