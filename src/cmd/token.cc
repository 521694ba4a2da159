#include <cstdio>

#include "mk/base/files.h"
#include "mk/base/strings.h"
#include "mk/cmd/verbs.h"
#include "node_flags.h"

// `mk token create`: prints what an agent joins with.
namespace mk::cmd {

int token(std::vector<std::string> arguments) {
  NodeFlags flags;
  const auto read = flags.read(std::move(arguments));
  if (!read.ok() || flags.positional() != std::vector<std::string>{"create"}) {
    if (!read.ok()) std::fprintf(stderr, "mk token: %s\n", read.error().message().c_str());
    std::fputs("usage: mk token create [--data-dir D]\n", stderr);
    return flags.wants_help() ? 0 : 2;
  }
  const std::string path = flags.options().data_dir + "/server/node-token";
  const auto text = read_file(path);
  if (!text.ok()) {
    std::fprintf(stderr, "mk token: %s; run this on a server, as root\n", text.error().message().c_str());
    return 1;
  }
  std::printf("%s\n", std::string(trim(*text)).c_str());
  return 0;
}

}  // namespace mk::cmd
