#pragma once

#include <functional>
#include <map>
#include <set>
#include <unordered_map>

#include "framework/framework.h"
#include "mk/rt/event.h"

namespace mk::scheduler {

// Pods that wait for a node. Active: to be tried now, by priority, then in order of arrival. Backoff: have
// failed lately and wait a little. Unschedulable: wait for something to happen that might help. Gated: not to
// be tried.
class SchedulingQueue {
 public:
  // `helps(plugins, event)`: might the event help a pod that these plugins have refused?
  using Helps = std::function<bool(const std::set<std::string>&, const ClusterEvent&)>;
  SchedulingQueue(rt::Clock& clock, Helps helps) : clock_(clock), helps_(std::move(helps)) {}

  void add(const PodPtr& pod);  // new, or changed while it waits
  void remove(const std::string& uid);
  rt::Task<PodPtr> pop();  // waits for an active pod; it then belongs to the caller
  // A pod that was popped and fits nowhere; `plugins` refused it. None: an error, try again soon.
  void put_back(const PodPtr& pod, std::set<std::string> plugins);
  void done(const std::string& uid);  // bound, or gone
  void happened(const ClusterEvent& event);

  // Moves what has waited long enough; call it whenever wait_due() returns.
  void tick();
  rt::Task<> wait_due(rt::Duration most);  // until some pod's backoff is over or a pod has entered it

  bool contains(const std::string& uid) const { return waiting_.count(uid) != 0; }
  std::size_t active() const { return active_.size(); }
  std::size_t waiting() const { return waiting_.size(); }

 private:
  enum class State { kActive, kBackoff, kUnschedulable, kGated, kInFlight };
  struct Entry {
    PodPtr pod;
    State state = State::kActive;
    std::uint64_t arrival = 0;
    int attempts = 0;
    rt::MonoTime since;  // of the last failure
    std::set<std::string> plugins;
    bool event_meanwhile = false;  // something happened while it was being tried
  };
  struct Order {
    std::int64_t priority;
    std::uint64_t arrival;
    std::string uid;
    bool operator<(const Order& other) const {
      if (priority != other.priority) return priority > other.priority;
      if (arrival != other.arrival) return arrival < other.arrival;
      return uid < other.uid;
    }
  };
  static Order order_of(const Entry& entry) { return {entry.pod->priority, entry.arrival, entry.pod->uid}; }
  rt::Duration backoff_of(const Entry& entry) const;
  void activate(Entry& entry);
  void retry(Entry& entry);  // active, or backoff if it failed too recently

  rt::Clock& clock_;
  Helps helps_;
  std::unordered_map<std::string, Entry> waiting_;  // by uid
  std::set<Order> active_;
  std::uint64_t arrivals_ = 0;
  rt::Event ready_, backoff_grew_;
};

}  // namespace mk::scheduler
