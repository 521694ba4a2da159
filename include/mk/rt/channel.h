#pragma once

#include <deque>
#include <optional>

#include "mk/rt/event.h"

namespace mk::rt {

// A queue between tasks of one loop. Unbounded by design of its users: whoever feeds one from outside bounds
// it by looking at size().
template <class T>
class Channel {
 public:
  void push(T value) {
    items_.push_back(std::move(value));
    event_.notify_one();
  }

  // The next value; nullopt once closed and drained.
  Task<std::optional<T>> pop() {
    while (items_.empty() && !closed_) co_await event_.wait();
    if (items_.empty()) co_return std::nullopt;
    std::optional<T> value(std::move(items_.front()));
    items_.pop_front();
    co_return value;
  }

  // Without waiting.
  std::optional<T> try_pop() {
    if (items_.empty()) return std::nullopt;
    std::optional<T> value(std::move(items_.front()));
    items_.pop_front();
    return value;
  }

  void close() {
    closed_ = true;
    event_.notify_all();
  }

  bool closed() const { return closed_; }
  std::size_t size() const { return items_.size(); }

 private:
  std::deque<T> items_;
  Event event_;
  bool closed_ = false;
};

}  // namespace mk::rt
