#include "mk/cmd/main.h"

#include <csignal>
#include <cstdio>

namespace mk::cmd {

int main(std::vector<std::string> arguments) {
  std::signal(SIGPIPE, SIG_IGN);  // a peer that goes away is an error code, not an end
  std::fputs("usage: mk server | agent | kubectl | images | token | version\n", stderr);
  return 2;
}

}  // namespace mk::cmd
