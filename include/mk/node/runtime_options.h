#pragma once

#include <string>

#include "mk/kubelet/node_runtime.h"
#include "mk/node/options.h"

namespace mk::node {

// Where a node with these settings keeps its containers and images.
kubelet::NodeRuntimeOptions runtime_options(const Options& options, const std::string& node_name);

// Where plugins of its kubelet look for it (a link to its directory); "": nowhere but there.
std::string plugin_dir(const Options& options);

}  // namespace mk::node
