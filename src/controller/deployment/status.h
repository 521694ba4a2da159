#pragma once

#include <vector>

#include "deployment/rollout.h"

// What the Deployment controller says about a Deployment: counts and conditions. Pure.
namespace mk::controller::deployment {

// status.replicas and so on, from the ReplicaSets; conditions Available and ReplicaFailure. The result is the
// whole object with its new status.
api::Json with_counts(const api::Json& deployment, const api::Object& newest,
                      const std::vector<api::Object>& all, rt::WallTime now);

// The condition Progressing: complete, progressing, or out of time. `updated` is with_counts' result.
void update_progress(const api::Json& before, api::Json& updated, const api::Object& newest,
                     rt::WallTime now);

// Progressing with a reason; lastUpdateTime moves with every change of reason or status.
void set_progressing(api::Json& deployment, std::string status, std::string reason, std::string message,
                     rt::WallTime now);

bool complete(const api::Json& deployment);  // by its spec and status
bool has_progress_deadline(const api::Json& deployment);
// When to look again whether the deadline has passed; nullopt when nothing is awaited.
std::optional<rt::Duration> progress_check_after(const api::Json& deployment, rt::WallTime now);

}  // namespace mk::controller::deployment
