#pragma once

#include <string>

#include "mk/kubelet/node_runtime.h"
#include "mk/node/options.h"

namespace mk::node {

// Where a node with these settings keeps its containers and images.
kubelet::NodeRuntimeOptions runtime_options(const Options& options, const std::string& node_name);

}  // namespace mk::node
