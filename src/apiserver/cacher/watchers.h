#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "cacher/filter.h"

namespace mk::apiserver {

class CacheWatcher;
struct CacheEvent;

// The subscribers of one resource, by what their filters ask for, so that a change is shown to those only
// whom it may concern: thousands of nodes watch the pods of their own, or one ConfigMap each.
class Watchers {
 public:
  void add(const Filter& filter, const std::shared_ptr<CacheWatcher>& watcher);
  // Those whose filter the change may match, before or after; maybe others too. Each once.
  void for_each(const CacheEvent& event, const std::function<void(CacheWatcher&)>& visit);
  void close_all();

 private:
  using Bucket = std::vector<std::weak_ptr<CacheWatcher>>;
  std::string route_of(const Filter& filter);
  void visit_bucket(const std::string& route, const std::function<void(CacheWatcher&)>& visit);
  void sweep();

  std::unordered_map<std::string, Bucket> buckets_;  // by route
  std::set<std::string> paths_;                      // fields that routes go by
  std::size_t added_ = 0, sweep_at_ = 64;
};

}  // namespace mk::apiserver
