#pragma once

#include <set>
#include <string>
#include <unordered_map>

#include "mk/api/types.h"
#include "mk/rt/clock.h"

namespace mk::controller {

// What a controller has asked for and its cache does not show yet. While something is expected, deciding again
// from the cache would create or delete twice. Expectations that never come true expire.
class Expectations {
 public:
  explicit Expectations(rt::Clock& clock) : clock_(clock) {}

  // Both replace what was expected for `owner` before.
  void expect_creations(const api::Key& owner, int count);
  void expect_deletions(const api::Key& owner, std::set<std::string> uids);

  void creation_seen(const api::Key& owner, int count = 1);  // or has failed
  void deletion_seen(const api::Key& owner, const std::string& uid);
  void forget(const api::Key& owner) { pending_.erase(owner); }

  bool satisfied(const api::Key& owner) const;

 private:
  struct Pending {
    int creations = 0;
    std::set<std::string> deletions;
    rt::MonoTime since;
  };
  rt::Clock& clock_;
  std::unordered_map<api::Key, Pending, api::KeyHash> pending_;
};

}  // namespace mk::controller
