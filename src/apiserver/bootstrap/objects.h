#pragma once

#include <vector>

#include "mk/api/json.h"

namespace mk::apiserver {

// What every cluster has besides its RBAC policy, in the order in which to create it: the four namespaces,
// the two system PriorityClasses, and the PriorityLevelConfigurations and FlowSchemas of API priority and
// fairness (annotated autoupdate-spec, so that whoever edits one and says "false" keeps it).
std::vector<api::Json> bootstrap_objects();

}  // namespace mk::apiserver
