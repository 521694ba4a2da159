#pragma once

#include <memory>

#include "mk/rt/task.h"

namespace mk::rt {

// A condition variable for tasks of one loop: `while (!ready) co_await event.wait();`. Nothing else runs
// between the check and the wait, so no wake-up is lost.
class Event {
 public:
  Event();
  ~Event();  // who still waits is never woken again; it must be cancelled
  Event(Event&&) noexcept;
  Event& operator=(Event&&) noexcept;

  Task<> wait();
  void notify_all();
  void notify_one();

 private:
  struct State;
  static Task<> wait_on(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace mk::rt
