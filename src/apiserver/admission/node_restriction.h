#pragma once

#include <memory>

#include "admission/admission.h"

namespace mk::apiserver {

// What authorization cannot see: a node writes only its own Node, Lease, CSINode and the pods bound to it,
// gives itself no labels or taints that would attract work, and takes tokens only for its pods. Others pass
// untouched.
std::unique_ptr<AdmissionPlugin> make_node_restriction(Cacher& cacher);

}  // namespace mk::apiserver
