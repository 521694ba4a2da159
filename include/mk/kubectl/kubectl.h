#pragma once

#include <string>
#include <vector>

namespace mk::kubectl {

// The command line client, as `kubectl` behaves: arguments without the program's name in, exit code out.
// Results go to standard output, errors to standard error.
int run_kubectl(std::vector<std::string> arguments);

}  // namespace mk::kubectl
