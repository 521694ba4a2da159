#pragma once

#include <memory>

#include "mk/kubelet/node_runtime.h"

namespace mk::kubelet {

// The image store alone, for `mk images`: may run beside the node that uses the same data directory, which
// finds what was imported at its next look.
Result<std::unique_ptr<ImageStore>> open_image_store(rt::Loop& loop, const NodeRuntimeOptions& options);

}  // namespace mk::kubelet
