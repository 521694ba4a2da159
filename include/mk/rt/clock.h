#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "mk/rt/task.h"

namespace mk::rt {

// Time as a door: real in production, virtual in simulation. Nothing else in the program reads a clock.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual WallTime now() const = 0;   // for people and the API; may jump
  virtual MonoTime mono() const = 0;  // for intervals; never goes back
  virtual Task<> sleep_until(MonoTime when) = 0;

  Task<> sleep_for(Duration duration) { return sleep_until(mono() + duration); }
};

std::unique_ptr<Clock> make_real_clock();

// Time that stands still until advance(): for tests. Sleepers wake in the order of their deadlines.
class ManualClock : public Clock {
 public:
  ManualClock();
  ~ManualClock() override;
  WallTime now() const override;
  MonoTime mono() const override;
  Task<> sleep_until(MonoTime when) override;
  void advance(Duration by);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// metav1.Time ("2026-01-02T03:04:05Z") and metav1.MicroTime ("...05.123456Z"), RFC 3339 in UTC.
std::string format_time(WallTime time);
std::string format_micro_time(WallTime time);
std::optional<WallTime> parse_time(std::string_view text);  // any RFC 3339 offset; clamped to 1800 ... 2190

namespace detail {
template <class T>
Task<> store_into(Task<T> task, std::optional<T>& out) {
  out.emplace(co_await std::move(task));
}
}  // namespace detail

// The task's value, or nullopt if `limit` passed first; the task is then cancelled and has ended.
template <class T>
Task<std::optional<T>> with_timeout(Clock& clock, Duration limit, Task<T> task) {
  std::optional<T> out;
  co_await race(detail::store_into(std::move(task), out), clock.sleep_for(limit));
  co_return out;
}

}  // namespace mk::rt
