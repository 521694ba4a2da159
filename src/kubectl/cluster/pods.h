#pragma once

#include "cluster/targets.h"

namespace mk::kubectl {

// The pods that a pod, a workload or a service stands for, the running ones first.
Result<std::vector<api::Json>> pods_behind(Session& session, const Target& target);
// The first of them; says on io.err which it took of several.
Result<api::Json> pod_behind(Session& session, const Target& target, Io& io);

// Init containers first, then containers, then ephemeral ones.
std::vector<std::string> container_names(const api::Json& pod);
// The wanted container if the pod has it; without a wish the default one (annotation
// kubectl.kubernetes.io/default-container, else the first), said on io.err when there are several.
Result<std::string> choose_container(const api::Json& pod, const std::string& wanted, Io& io, bool say);

}  // namespace mk::kubectl
