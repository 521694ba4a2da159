#include "queue/queue.h"

#include <algorithm>

namespace mk::scheduler {
namespace {
constexpr rt::Duration kBackoffFirst = std::chrono::seconds(1);
constexpr rt::Duration kBackoffMost = std::chrono::seconds(10);
// However unlikely, an event may have been misjudged: nobody waits longer than this for another try.
constexpr rt::Duration kUnschedulableMost = std::chrono::minutes(5);

// Changes of a waiting pod that may make it fit: everything but its status.
bool may_fit_now(const PodInfo& before, const PodInfo& after) {
  const auto* old_spec = api::find(before.object.json(), "spec");
  const auto* new_spec = api::find(after.object.json(), "spec");
  return !old_spec || !new_spec || *old_spec != *new_spec || before.labels != after.labels;
}
}  // namespace

void SchedulingQueue::add(const PodPtr& pod) {
  const auto found = waiting_.find(pod->uid);
  if (found == waiting_.end()) {
    auto& entry = waiting_[pod->uid];
    entry.pod = pod;
    entry.arrival = ++arrivals_;
    if (pod->gated) {
      entry.state = State::kGated;
    } else {
      activate(entry);
    }
    return;
  }
  auto& entry = found->second;
  const bool news = may_fit_now(*entry.pod, *pod);
  if (entry.state == State::kActive) active_.erase(order_of(entry));
  entry.pod = pod;
  if (entry.state == State::kActive) {
    activate(entry);
  } else if (entry.state == State::kGated) {
    if (!pod->gated) activate(entry);
  } else if (entry.state == State::kInFlight) {
    entry.event_meanwhile = entry.event_meanwhile || news;
  } else if (news) {
    retry(entry);
  }
}

void SchedulingQueue::remove(const std::string& uid) {
  const auto found = waiting_.find(uid);
  if (found == waiting_.end()) return;
  if (found->second.state == State::kActive) active_.erase(order_of(found->second));
  waiting_.erase(found);
}

rt::Task<PodPtr> SchedulingQueue::pop() {
  while (active_.empty()) co_await ready_.wait();
  const auto uid = active_.begin()->uid;
  active_.erase(active_.begin());
  auto& entry = waiting_.at(uid);
  entry.state = State::kInFlight;
  entry.event_meanwhile = false;
  ++entry.attempts;
  co_return entry.pod;
}

void SchedulingQueue::put_back(const PodPtr& pod, std::set<std::string> plugins) {
  const auto found = waiting_.find(pod->uid);
  if (found == waiting_.end()) return;  // deleted meanwhile
  auto& entry = found->second;
  entry.since = clock_.mono();
  entry.plugins = std::move(plugins);
  if (entry.plugins.empty() || entry.event_meanwhile) {
    retry(entry);
  } else {
    entry.state = State::kUnschedulable;
  }
}

void SchedulingQueue::done(const std::string& uid) {
  remove(uid);
}

void SchedulingQueue::happened(const ClusterEvent& event) {
  for (auto& [uid, entry] : waiting_) {
    if (entry.state == State::kInFlight) {
      entry.event_meanwhile = true;
    } else if (entry.state == State::kUnschedulable && helps_(entry.plugins, event)) {
      // With nothing better to do there is no reason to let a pod wait that may fit now (KEP-5142).
      if (active_.empty()) {
        activate(entry);
      } else {
        retry(entry);
      }
    }
  }
}

rt::Task<> SchedulingQueue::wait_due(rt::Duration most) {
  rt::MonoTime due = clock_.mono() + most;
  for (const auto& [uid, entry] : waiting_) {
    if (entry.state == State::kBackoff) due = std::min(due, entry.since + backoff_of(entry));
  }
  co_await rt::race(clock_.sleep_until(due), backoff_grew_.wait());
}

void SchedulingQueue::tick() {
  const auto now = clock_.mono();
  for (auto& [uid, entry] : waiting_) {
    if (entry.state == State::kBackoff && entry.since + backoff_of(entry) <= now) {
      activate(entry);
    } else if (entry.state == State::kUnschedulable && entry.since + kUnschedulableMost <= now) {
      retry(entry);
    }
  }
}

rt::Duration SchedulingQueue::backoff_of(const Entry& entry) const {
  rt::Duration delay = kBackoffFirst;
  for (int i = 1; i < entry.attempts && delay < kBackoffMost; ++i) delay *= 2;
  return std::min(delay, kBackoffMost);
}

void SchedulingQueue::activate(Entry& entry) {
  entry.state = State::kActive;
  active_.insert(order_of(entry));
  ready_.notify_one();
}

void SchedulingQueue::retry(Entry& entry) {
  if (entry.since + backoff_of(entry) > clock_.mono()) {
    entry.state = State::kBackoff;
    backoff_grew_.notify_all();
  } else {
    activate(entry);
  }
}

}  // namespace mk::scheduler
