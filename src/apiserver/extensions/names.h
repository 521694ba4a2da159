#pragma once

#include <string_view>
#include <vector>

#include "mk/api/json.h"

namespace mk::apiserver {

// Decides which names of a definition are accepted, given those of the other definitions of its group (the
// status.acceptedNames of each), and writes status.acceptedNames and the conditions NamesAccepted,
// Established and, for groups of Kubernetes itself, KubernetesAPIApprovalPolicyConformant. True if anything
// changed. Pure.
bool accept_names(api::Json& definition, const std::vector<api::Json>& others, std::string_view now);

}  // namespace mk::apiserver
