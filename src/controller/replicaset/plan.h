#pragma once

#include <cstdint>
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

// The status that follows from the pods of a set; what is present in `set` and not ours stays.
// `problem`: why pods could not be created or deleted, if so.
api::Json status_of(const api::Json& set, const std::vector<api::Object>& active, std::size_t terminating,
                    const Problem& problem, rt::WallTime now);

}  // namespace mk::controller::replicaset
