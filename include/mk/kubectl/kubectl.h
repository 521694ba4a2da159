#pragma once

#include <string>
#include <vector>

namespace mk::kubectl {

// The command line client: arguments without "kubectl" in, exit code out.
int run_kubectl(std::vector<std::string> arguments);

}  // namespace mk::kubectl
