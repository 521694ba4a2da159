#include <memory>

#include "mk/rt/clock.h"
#include "mk/rt/event.h"

namespace mk::rt {

struct ManualClock::State {
  Duration elapsed{0};
  std::multimap<MonoTime, std::shared_ptr<Event>> sleepers;
};

// An ordinary Friday, so that formatted times look like times.
static constexpr WallTime kManualEpoch{std::chrono::seconds(1767323045)};

ManualClock::ManualClock() : state_(std::make_unique<State>()) {}
ManualClock::~ManualClock() = default;

WallTime ManualClock::now() const {
  return kManualEpoch + state_->elapsed;
}
MonoTime ManualClock::mono() const {
  return MonoTime(state_->elapsed);
}

Task<> ManualClock::sleep_until(MonoTime when) {
  if (when <= mono()) {
    co_await yield();
    co_return;
  }
  auto event = std::make_shared<Event>();
  state_->sleepers.emplace(when, event);
  co_await event->wait();
}

void ManualClock::advance(Duration by) {
  const MonoTime until = mono() + by;
  while (!state_->sleepers.empty() && state_->sleepers.begin()->first <= until) {
    auto first = state_->sleepers.begin();
    state_->elapsed = std::max(state_->elapsed, first->first.time_since_epoch());
    first->second->notify_all();
    state_->sleepers.erase(first);
  }
  state_->elapsed = until.time_since_epoch();
}

}  // namespace mk::rt
