#include <sys/stat.h>

#include <cstdio>

#include "mk/cmd/flags.h"
#include "mk/cmd/verbs.h"
#include "mk/node/options.h"
#include "node_flags.h"

// server, agent and cleanup: the verbs that are a node of the cluster.
namespace mk::cmd {
namespace {

using Run = int (*)(node::Options);

int run_with_options(const char* verb, std::vector<std::string> arguments, Run run) {
  NodeFlags flags;
  const auto read = flags.read(std::move(arguments));
  if (!read.ok()) {
    std::fprintf(stderr, "mk %s: %s\n", verb, read.error().message().c_str());
    return 2;
  }
  if (flags.wants_help()) {
    std::printf("usage: mk %s [flags]\n\n%s", verb, flags.help().c_str());
    return 0;
  }
  if (!flags.positional().empty()) {
    std::fprintf(stderr, "mk %s: unexpected \"%s\"\n", verb, flags.positional().front().c_str());
    return 2;
  }
  ::umask(022);
  return run(flags.options());
}

}  // namespace

int server(std::vector<std::string> arguments) {
  return run_with_options("server", std::move(arguments), node::run_server);
}
int agent(std::vector<std::string> arguments) {
  return run_with_options("agent", std::move(arguments), node::run_agent);
}
int cleanup(std::vector<std::string> arguments) {
  return run_with_options("cleanup", std::move(arguments), node::clean_up);
}

int version(std::vector<std::string>) {
  std::printf("mk %s\n", node::kVersion);
  return 0;
}

}  // namespace mk::cmd
