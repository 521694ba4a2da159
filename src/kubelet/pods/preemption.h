#pragma once

#include <vector>

#include "pods/admission.h"

namespace mk::kubelet {

// The fewest pods that must end so that the node can take a critical one: best effort before burstable before
// guaranteed, then by priority. Indices into `others`; empty: none are enough, or room is not what is
// missing. Pure.
std::vector<std::size_t> victims_for(const Json& critical, const std::vector<const Json*>& others,
                                     const NodeCapacity& node, const Json& node_object);

}  // namespace mk::kubelet
