#pragma once

#include <memory>
#include <string_view>

#include "mk/rt/task.h"

namespace mk::rt {

// Owns running tasks: nothing is ever detached. A task that ends with an exception other than cancellation
// is a bug of ours and stops the process (crash-only); what a caller can act on is a Result.
class Group {
 public:
  explicit Group(Executor executor);
  ~Group();  // asserts that no task is left: call stop() first, unless the loop itself is gone

  // `name` is for the log line should the task crash.
  void spawn(std::string_view name, Task<> task);

  // Cancels every task and waits until all have ended. Tasks spawned meanwhile are cancelled too.
  Task<> stop();
  // Cancels without waiting.
  void cancel();

  std::size_t size() const;

 private:
  struct State;
  static Task<> guard(std::shared_ptr<State> state, std::string name, Task<> task);
  std::shared_ptr<State> state_;
};

}  // namespace mk::rt
