#include "mk/rt/sim_clock.h"

#include "mk/rt/event.h"

namespace mk::rt {

struct SimClock::State {
  MonoTime time{};
  Duration wall{0};  // what jumps added
  std::multimap<MonoTime, std::function<void()>> due;
};

// Where the manual clock begins too: an ordinary Friday.
static constexpr WallTime kSimEpoch{std::chrono::seconds(1767323045)};

SimClock::SimClock() : state_(std::make_unique<State>()) {}
SimClock::~SimClock() = default;

WallTime SimClock::now() const {
  return kSimEpoch + state_->time.time_since_epoch() + state_->wall;
}
MonoTime SimClock::mono() const {
  return state_->time;
}
void SimClock::jump_wall(Duration by) {
  state_->wall += by;
}

void SimClock::at(MonoTime when, std::function<void()> work) {
  state_->due.emplace(std::max(when, state_->time), std::move(work));
}

Task<> SimClock::sleep_until(MonoTime when) {
  auto event = std::make_shared<Event>();
  at(when, [event] { event->notify_all(); });
  co_await event->wait();
}

void SimClock::run(Loop& loop, Duration time) {
  run_until(loop, time, [] { return false; });
}

bool SimClock::run_until(Loop& loop, Duration limit, const std::function<bool()>& condition) {
  const MonoTime end = state_->time + limit;
  while (true) {
    while (loop.poll() > 0) {
    }
    if (condition()) return true;
    if (loop.poll() > 0) continue;  // the condition itself may have set something going
    const auto first = state_->due.begin();
    if (first == state_->due.end() || first->first > end) break;
    state_->time = first->first;
    const auto work = std::move(first->second);
    state_->due.erase(first);
    work();
  }
  state_->time = end;
  return condition();
}

}  // namespace mk::rt
