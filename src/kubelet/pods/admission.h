#pragma once

#include <optional>
#include <vector>

#include "pods/resources.h"
#include "status/pod_status.h"

namespace mk::kubelet {

// Why this node cannot take a pod that was bound to it; nullopt: it can. `others` hold the node's resources
// already. Pure.
std::optional<ReasonMessage> admit(const Json& pod, const std::vector<const Json*>& others,
                                   const NodeCapacity& node, const Json& node_object);

// Do the node's labels and name satisfy nodeSelector and the required node affinity?
bool matches_node(const Json& pod, const Json& node_object);

}  // namespace mk::kubelet
