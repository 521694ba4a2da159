#pragma once

#include <memory>
#include <optional>

#include "mk/base/result.h"
#include "mk/rt/clock.h"
#include "mk/rt/event.h"

namespace mk::quorum {

// An answer that somebody waits for; whoever has it gives it once. Shared, so that either side may go first.
template <class T>
struct Pending {
  rt::Event event;
  std::optional<Result<T>> result;

  void resolve(Result<T> value) {
    if (result) return;
    result.emplace(std::move(value));
    event.notify_all();
  }
};

namespace detail {
template <class T>
rt::Task<> until_resolved(std::shared_ptr<Pending<T>> pending) {
  while (!pending->result) co_await pending->event.wait();
}
}  // namespace detail

template <class T>
rt::Task<Result<T>> await_result(std::shared_ptr<Pending<T>> pending) {
  while (!pending->result) co_await pending->event.wait();
  co_return *pending->result;
}

// kTimeout when there is none within `limit`: what was asked may still happen.
template <class T>
rt::Task<Result<T>> await_result(rt::Clock& clock, rt::Duration limit, std::shared_ptr<Pending<T>> pending) {
  if (!pending->result) co_await rt::race(detail::until_resolved(pending), clock.sleep_for(limit));
  if (!pending->result)
    co_return Error(Reason::kTimeout, "no answer in time; whether it happened is not known");
  co_return *pending->result;
}

}  // namespace mk::quorum
