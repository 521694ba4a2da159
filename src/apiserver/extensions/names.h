#pragma once

#include <string_view>
#include <vector>

#include "mk/api/json.h"

namespace mk::apiserver {

// Decides which names of a definition are accepted, given the other definitions of its group (as
// status.acceptedNames of those has them), and writes status.acceptedNames and the conditions NamesAccepted,
// Established and, for groups of Kubernetes itself, KubernetesAPIApprovalPolicyConformant. True if anything
// changed. Pure.
bool accept_names(api::Json& definition, const std::vector<const api::Json*>& others, std::string_view now);

}  // namespace mk::apiserver
