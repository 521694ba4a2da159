#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/flags.h"
#include "cli/io.h"
#include "cluster/session.h"

namespace mk::kubectl {

// One run of a command: its arguments without the command's own words, and the flags every command takes.
class Invocation {
 public:
  Invocation(Io& io_, std::string path_, std::vector<std::string> arguments_)
      : io(io_), path(std::move(path_)), arguments(std::move(arguments_)) {
    bind_global_flags(flags, globals);
  }

  static void bind_global_flags(Flags& flags, Globals& globals);

  // Reads the arguments; after it `words` holds the positional ones.
  Result<void> parse();
  Result<Session*> connect();  // once; later calls give the same

  Io& io;
  std::string path;  // "rollout status"
  std::vector<std::string> arguments;
  Globals globals;
  Flags flags;
  std::vector<std::string> words;
  std::optional<std::size_t> dash;

 private:
  std::unique_ptr<Session> session_;
};

// The exit code, or the error to print (exit code 1). A message is printed with "error: " in front unless it
// already says whose error it is (see Session).
using CommandFunction = Result<int> (*)(Invocation& call);

struct Command {
  const char* path;  // "get", "rollout status"
  const char* help;
  CommandFunction run;
};

const std::vector<Command>& all_commands();

Error usage_error(std::string message);
// The text of an error as kubectl prints it.
std::string error_text(const Error& error);

// The whole program on given streams.
int run(Io& io, std::vector<std::string> arguments);

}  // namespace mk::kubectl
