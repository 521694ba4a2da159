#include "mk/cmd/main.h"

#include <csignal>
#include <cstdio>
#include <functional>

#include "mk/cmd/verbs.h"

namespace mk::cmd {
namespace {

struct Verb {
  const char* name;
  const char* help;
  int (*run)(std::vector<std::string> arguments);
};

constexpr Verb kVerbs[] = {
    {"server", "run a control plane, and a node unless --disable-agent", server},
    {"agent", "run a node: --join https://SERVER:6443 --token TOKEN", agent},
    {"kubectl", "talk to a cluster", kubectl},
    {"images", "import FILE [--name REF] | list: images of this node", images},
    {"token", "create: print the token that agents join with", token},
    {"members", "list | lead ID | remove ID: the servers of a cluster", members},
    {"cleanup", "stop the pods of a node that mk has left, and remove what they hold", cleanup},
    {"version", "print the version", version},
};

int usage(std::FILE* where) {
  std::fputs("mk: a Kubernetes cluster in one executable\n\n", where);
  for (const Verb& verb : kVerbs) std::fprintf(where, "  mk %-10s %s\n", verb.name, verb.help);
  std::fputs("\n`mk VERB --help` lists a verb's flags.\n", where);
  return where == stdout ? 0 : 2;
}

}  // namespace

int main(std::vector<std::string> arguments) {
  std::signal(SIGPIPE, SIG_IGN);  // a peer that goes away is an error code, not an end
  // Called by another name (a symlink), mk is that program.
  const std::string self = arguments.empty() ? "mk" : arguments[0].substr(arguments[0].rfind('/') + 1);
  if (self == "kubectl") return kubectl({arguments.begin() + 1, arguments.end()});
  if (arguments.size() < 2) return usage(stderr);
  const std::string& name = arguments[1];
  if (name == "help" || name == "--help" || name == "-h") return usage(stdout);
  for (const Verb& verb : kVerbs) {
    if (name == verb.name) return verb.run({arguments.begin() + 2, arguments.end()});
  }
  std::fprintf(stderr, "mk: unknown verb \"%s\"\n", name.c_str());
  return usage(stderr);
}

}  // namespace mk::cmd
