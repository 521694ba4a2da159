#pragma once

#include <map>
#include <optional>
#include <string>

#include "mk/rt/clock.h"

namespace mk::kubelet {

// Kubernetes' restart back-off, one delay for each key: the first failure is retried at once, then 10 s
// doubling to 5 min; forgotten after 10 quiet minutes.
class Backoff {
 public:
  // Until when `key` must wait after a failure at `since`; nullopt: it may go now.
  std::optional<rt::WallTime> wait_until(const std::string& key, rt::WallTime since, rt::WallTime now) const {
    const auto found = entries_.find(key);
    if (found == entries_.end() || since - found->second.updated > 2 * kMost) return std::nullopt;
    const auto until = since + found->second.delay;
    if (until <= now) return std::nullopt;
    return until;
  }

  // An attempt follows: the next one waits longer.
  void next(const std::string& key, rt::WallTime now) {
    auto [entry, fresh] = entries_.try_emplace(key);
    const bool expired = !fresh && now - entry->second.updated > 2 * kMost;
    entry->second.delay = fresh || expired ? kFirst : std::min(kMost, 2 * entry->second.delay);
    entry->second.updated = now;
  }

  rt::Duration delay(const std::string& key) const {
    const auto found = entries_.find(key);
    return found == entries_.end() ? rt::Duration(0) : found->second.delay;
  }
  void forget(const std::string& key) { entries_.erase(key); }

 private:
  static constexpr rt::Duration kFirst = std::chrono::seconds(10);
  static constexpr rt::Duration kMost = std::chrono::minutes(5);
  struct Entry {
    rt::Duration delay{0};
    rt::WallTime updated;
  };
  std::map<std::string, Entry> entries_;
};

}  // namespace mk::kubelet
