#include "mk/rt/event.h"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <deque>

namespace mk::rt {

namespace asio = boost::asio;

namespace {

// A timer that never expires: cancelling it wakes the waiter.
struct Waiter {
  explicit Waiter(const Executor& executor) : timer(executor, asio::steady_timer::time_point::max()) {}
  asio::steady_timer timer;
  bool notified = false;
};

}  // namespace

struct Event::State {
  std::deque<std::shared_ptr<Waiter>> waiters;
};

Event::Event() : state_(std::make_shared<State>()) {}
Event::~Event() = default;
Event::Event(Event&&) noexcept = default;
Event& Event::operator=(Event&&) noexcept = default;

Task<> Event::wait() {
  return wait_on(state_);
}

Task<> Event::wait_on(std::shared_ptr<State> state) {
  auto executor = co_await asio::this_coro::executor;
  auto waiter = std::make_shared<Waiter>(executor);
  state->waiters.push_back(waiter);
  boost::system::error_code ignored;  // always "aborted": the flag says by whom
  co_await waiter->timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  if (waiter->notified) co_return;
  std::erase(state->waiters, waiter);
  throw_cancelled();
}

void Event::notify_all() {
  auto waiters = std::move(state_->waiters);
  state_->waiters.clear();
  for (auto& waiter : waiters) {
    waiter->notified = true;
    waiter->timer.cancel();
  }
}

void Event::notify_one() {
  if (state_->waiters.empty()) return;
  auto waiter = std::move(state_->waiters.front());
  state_->waiters.pop_front();
  waiter->notified = true;
  waiter->timer.cancel();
}

}  // namespace mk::rt
