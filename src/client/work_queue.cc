#include "mk/client/work_queue.h"

#include <cmath>
#include <deque>
#include <set>
#include <unordered_map>
#include <unordered_set>

namespace mk::client {

struct WorkQueue::State {
  State(rt::Clock& clock_, Backoff backoff_) : clock(clock_), backoff(backoff_) {}

  rt::Clock& clock;
  Backoff backoff;
  std::deque<std::string> queue;               // to be taken, in order; every one of them is in `dirty`
  std::unordered_set<std::string> dirty;       // needs to be handled
  std::unordered_set<std::string> processing;  // taken and not done
  rt::Event ready;
  std::set<std::pair<rt::MonoTime, std::string>> delayed;
  std::unordered_map<std::string, rt::MonoTime> due;  // the same by key
  rt::Event timers_changed;                           // another delay is the shortest now
  std::unordered_map<std::string, int> failures;

  void add(const std::string& key);
  void add_at(std::string key, rt::MonoTime when);
  void release_due();
};

void WorkQueue::State::add(const std::string& key) {
  if (!dirty.insert(key).second || processing.count(key) > 0) return;  // done() queues it again
  queue.push_back(key);
  ready.notify_one();
}

void WorkQueue::State::add_at(std::string key, rt::MonoTime when) {
  auto [known, fresh] = due.try_emplace(key, when);
  if (!fresh) {
    if (known->second <= when) return;
    delayed.erase({known->second, key});
    known->second = when;
  }
  const auto place = delayed.emplace(when, std::move(key)).first;
  if (place == delayed.begin()) timers_changed.notify_all();
}

void WorkQueue::State::release_due() {
  const auto now = clock.mono();
  while (!delayed.empty() && delayed.begin()->first <= now) {
    const std::string key = delayed.begin()->second;
    delayed.erase(delayed.begin());
    due.erase(key);
    add(key);
  }
}

WorkQueue::WorkQueue(rt::Clock& clock, rt::Group& group, Backoff backoff)
    : state_(std::make_shared<State>(clock, backoff)) {
  group.spawn("work queue timers", run_timers(state_));
}

// One task for all delays.
rt::Task<> WorkQueue::run_timers(std::shared_ptr<State> state) {
  for (;;) {
    state->release_due();
    if (state->delayed.empty()) {
      co_await state->timers_changed.wait();
    } else {
      const auto first = state->delayed.begin()->first;
      co_await rt::race(state->clock.sleep_until(first), state->timers_changed.wait());
    }
  }
}

void WorkQueue::add(std::string key) {
  state_->add(key);
}

void WorkQueue::add_after(std::string key, rt::Duration delay) {
  if (delay <= rt::Duration::zero()) return state_->add(key);
  state_->add_at(std::move(key), state_->clock.mono() + delay);
}

void WorkQueue::add_rate_limited(std::string key) {
  const int before = state_->failures[key]++;
  const double wanted = static_cast<double>(state_->backoff.base.count()) * std::pow(2.0, before);
  const double most = static_cast<double>(state_->backoff.most.count());
  add_after(std::move(key), rt::Duration(static_cast<std::int64_t>(std::min(wanted, most))));
}

void WorkQueue::forget(const std::string& key) {
  state_->failures.erase(key);
}

int WorkQueue::failures(const std::string& key) const {
  const auto found = state_->failures.find(key);
  return found == state_->failures.end() ? 0 : found->second;
}

rt::Task<std::string> WorkQueue::take() {
  auto state = state_;
  while (state->queue.empty()) co_await state->ready.wait();
  std::string key = std::move(state->queue.front());
  state->queue.pop_front();
  state->dirty.erase(key);
  state->processing.insert(key);
  co_return key;
}

void WorkQueue::done(const std::string& key) {
  state_->processing.erase(key);
  if (state_->dirty.count(key) == 0) return;
  state_->queue.push_back(key);
  state_->ready.notify_one();
}

std::size_t WorkQueue::size() const {
  return state_->queue.size();
}

}  // namespace mk::client
