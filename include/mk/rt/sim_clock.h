#pragma once

#include <functional>
#include <memory>

#include "mk/rt/clock.h"
#include "mk/rt/loop.h"

namespace mk::rt {

// Time for simulation: goes on by itself, to the next deadline, whenever the loop has nothing else to do.
// What falls on one instant happens in the order in which it was asked for, so that a run repeats exactly.
class SimClock : public Clock {
 public:
  SimClock();
  ~SimClock() override;
  WallTime now() const override;
  MonoTime mono() const override;
  Task<> sleep_until(MonoTime when) override;

  // Calls `work` on the loop then; cheaper than a task that sleeps.
  void at(MonoTime when, std::function<void()> work);
  void jump_wall(Duration by);  // now() jumps, mono() does not

  // Runs the loop until so much time has passed.
  void run(Loop& loop, Duration time);
  // The same, ending as soon as `condition` holds; answers whether it does.
  bool run_until(Loop& loop, Duration limit, const std::function<bool()>& condition);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mk::rt
