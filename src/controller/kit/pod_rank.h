#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "mk/api/object.h"
#include "mk/rt/clock.h"

namespace mk::controller {

// Sorts pods so that those whose loss costs least come first: unassigned, Pending, not ready, cheap by
// annotation, sharing their node with many of `pods_per_node`, short ready, often restarted, young.
void rank_for_deletion(std::vector<api::Object>& pods,
                       const std::unordered_map<std::string, int>& pods_per_node, rt::WallTime now);

}  // namespace mk::controller
