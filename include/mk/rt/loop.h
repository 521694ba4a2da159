#pragma once

#include <functional>
#include <memory>

#include "mk/rt/task.h"

namespace mk::rt {

// One thread's event loop. The process has one, the brain: all API state, caches, controllers and the
// scheduler live on it, so rooms above rt need no mutex.
class Loop {
 public:
  Loop();
  ~Loop();

  Executor executor() const;
  void run();   // until stop() is called, or nothing is left to do
  void stop();  // from any thread
  // Handles what is ready now and returns how much that was; for tests and simulation.
  std::size_t poll();
  // Runs `work` on the loop's thread; callable from any thread.
  void post(std::function<void()> work);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Runs `task` to its end on a loop of its own, for main functions and tests. Rethrows what it throws.
void run_until_done(Loop& loop, Task<> task);

}  // namespace mk::rt
