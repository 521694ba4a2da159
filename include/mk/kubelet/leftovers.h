#pragma once

#include "mk/kubelet/node_runtime.h"

namespace mk::kubelet {

// After every pod has been stopped: unmounts what is mounted below the node's folders, deletes the pods'
// folders and the run directory, and removes the node's cgroups. For `mk cleanup`; blocking. Images and logs
// stay.
Result<void> remove_leftovers(const NodeRuntimeOptions& options);

}  // namespace mk::kubelet
