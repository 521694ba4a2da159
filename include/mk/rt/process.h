#pragma once

#include <optional>
#include <string>
#include <vector>

#include "mk/base/result.h"
#include "mk/rt/blocking.h"

namespace mk::rt {

// A program to run to its end.
struct Command {
  explicit Command(std::vector<std::string> arguments) : argv(std::move(arguments)) {}

  std::vector<std::string> argv;                // argv[0] is looked up in PATH
  std::optional<std::vector<std::string>> env;  // "NAME=value"; inherited when absent
  std::string input;                            // given on standard input
  std::string working_dir;
  Duration timeout = std::chrono::seconds(60);  // then SIGKILL to its process group
  std::size_t output_max = 4 << 20;             // bytes kept of each stream; the rest is read and dropped
};

struct ProcessResult {
  int exit_code = 0;  // 128 + signal when killed by one
  std::string out, err;
  bool timed_out = false;

  bool success() const { return exit_code == 0 && !timed_out; }
};

// Blocking; for threads of a BlockingPool. An error only when the program could not be started at all
// (kNotFound: no such program).
Result<ProcessResult> run_process_blocking(const Command& command);

// The same from a task.
Task<Result<ProcessResult>> run_process(BlockingPool& pool, Command command);

}  // namespace mk::rt
