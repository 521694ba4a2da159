#pragma once

#include <string>

#include "mk/api/json.h"

namespace mk::kubectl {

struct RolloutStatus {
  std::string message;  // with its line end
  bool done = false;
};

// How far the rollout of a Deployment, DaemonSet or StatefulSet has come, in kubectl's words. An error when
// it will come no further (progress deadline) or cannot be told.
Result<RolloutStatus> rollout_status(const api::Json& workload, std::int64_t wanted_revision = 0);

}  // namespace mk::kubectl
