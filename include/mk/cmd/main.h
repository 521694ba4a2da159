#pragma once

#include <string>
#include <vector>

namespace mk::cmd {

// The whole program: arguments in (argv[0] first), exit code out. 0 fine, 1 failed, 2 usage.
int main(std::vector<std::string> arguments);

}  // namespace mk::cmd
