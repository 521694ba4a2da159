#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "kit/pod_owner.h"
#include "mk/api/object.h"
#include "mk/rt/clock.h"

// The decisions of the ReplicaSet controller. Pure: no I/O, no clock.
namespace mk::controller::replicaset {

struct Plan {
  int create = 0;
  int remove = 0;
};
Plan plan(std::int64_t replicas, std::size_t active_pods);

// Sorts pods so that those whose loss costs least come first: unassigned, Pending, not ready, cheap by
// annotation, sharing their node with many of `pods_per_node`, short ready, often restarted, young.
void rank_for_deletion(std::vector<api::Object>& pods,
                       const std::unordered_map<std::string, int>& pods_per_node, rt::WallTime now);

// The status that follows from the pods of a set; what is present in `set` and not ours stays.
// `problem`: why pods could not be created or deleted, if so.
api::Json status_of(const api::Json& set, const std::vector<api::Object>& active, std::size_t terminating,
                    const Problem& problem, rt::WallTime now);

// When the next ready pod becomes available by minReadySeconds alone; nullopt when none is waiting.
std::optional<rt::Duration> next_available(const api::Json& set, const std::vector<api::Object>& active,
                                           rt::WallTime now);

}  // namespace mk::controller::replicaset
