#pragma once

#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "mk/rt/clock.h"

namespace mk::client {

// What a controller has done and its cache has not shown yet: until then it must not count, or it would
// create or delete twice. One entry per key of the controller's own object; an entry older than five minutes
// no longer holds anybody up (a change was missed, and the level counts).
class Expectations {
 public:
  explicit Expectations(rt::Clock& clock) : clock_(clock) {}

  // Before the writes. A write that fails is taken back by the matching observed().
  void expect_creations(const std::string& key, int count);
  void expect_deletions(const std::string& key, const std::vector<std::string>& uids);

  void creation_observed(const std::string& key);
  void deletion_observed(const std::string& key, const std::string& uid);

  // May the controller trust its cache for this key?
  bool satisfied(const std::string& key) const;
  void forget(const std::string& key);  // the controller's object is gone

 private:
  struct Entry {
    int creations = 0;
    std::unordered_set<std::string> deletions;  // by uid: a pod's deletion shows more than once
    rt::MonoTime since;
  };
  rt::Clock& clock_;
  std::unordered_map<std::string, Entry> entries_;
};

}  // namespace mk::client
