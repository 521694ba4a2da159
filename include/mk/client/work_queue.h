#pragma once

#include <optional>
#include <string>

#include "mk/rt/clock.h"
#include "mk/rt/event.h"
#include "mk/rt/group.h"

namespace mk::client {

// Kubernetes' work queue of keys: a key is queued at most once, is never handled twice at the same time, and
// comes again if it was added while being handled. Failures come back with exponential delay.
class WorkQueue {
 public:
  struct Backoff {
    rt::Duration base = std::chrono::milliseconds(5);
    rt::Duration most = std::chrono::seconds(1000);
  };
  WorkQueue(rt::Clock& clock, rt::Group& group, Backoff backoff);

  void add(std::string key);
  void add_after(std::string key, rt::Duration delay);  // the earlier of two delays counts
  void add_rate_limited(std::string key);               // after a failure
  void forget(const std::string& key);                  // after a success
  int failures(const std::string& key) const;

  rt::Task<std::string> take();  // waits; the caller must call done(key)
  void done(const std::string& key);
  std::size_t size() const;

 private:
  struct State;
  static rt::Task<> run_timers(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace mk::client
