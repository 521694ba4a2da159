#include "mk/kubectl/kubectl.h"

#include "mk/cmd/verbs.h"

namespace mk::cmd {

int kubectl(std::vector<std::string> arguments) {
  return mk::kubectl::run_kubectl(std::move(arguments));
}

}  // namespace mk::cmd
