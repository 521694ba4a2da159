#include "cacher/watchers.h"

#include <algorithm>

#include "cacher/cacher.h"

namespace mk::apiserver {
namespace {

// A watcher has one route: by the narrowest thing that its filter names. No two kinds of route share a text.
std::string by_name(const std::string& name) {
  return "name=" + name;
}
std::string by_field(const std::string& path, const std::string& value) {
  return "field " + path + "=" + value;
}
std::string by_namespace(const std::string& ns) {
  return "namespace=" + ns;
}
const std::string kAll = "all";

}  // namespace

std::string Watchers::route_of(const Filter& filter) {
  if (!filter.name.empty()) return by_name(filter.name);
  const auto equal = std::find_if(filter.fields.begin(), filter.fields.end(),
                                  [](const api::FieldTerm& term) { return term.equal; });
  if (equal != filter.fields.end()) {
    paths_.insert(equal->path);
    return by_field(equal->path, equal->value);
  }
  return filter.ns.empty() ? kAll : by_namespace(filter.ns);
}

void Watchers::add(const Filter& filter, const std::shared_ptr<CacheWatcher>& watcher) {
  if (++added_ >= sweep_at_) sweep();
  buckets_[route_of(filter)].push_back(watcher);
}

void Watchers::for_each(const CacheEvent& event, const std::function<void(CacheWatcher&)>& visit) {
  visit_bucket(kAll, visit);
  visit_bucket(by_namespace(event.key.ns), visit);
  visit_bucket(by_name(event.key.name), visit);
  for (const auto& path : paths_) {
    const auto after = by_field(path, selected_value(event.after, path));
    visit_bucket(after, visit);
    if (!event.before) continue;
    const auto before = by_field(path, selected_value(event.before, path));
    if (before != after) visit_bucket(before, visit);
  }
}

void Watchers::close_all() {
  for (auto& [route, bucket] : std::exchange(buckets_, {})) {
    for (const auto& weak : bucket) {
      if (const auto watcher = weak.lock()) watcher->close();
    }
  }
}

void Watchers::visit_bucket(const std::string& route, const std::function<void(CacheWatcher&)>& visit) {
  const auto found = buckets_.find(route);
  if (found == buckets_.end()) return;
  std::erase_if(found->second, [&](const std::weak_ptr<CacheWatcher>& weak) {
    const auto watcher = weak.lock();
    if (watcher) visit(*watcher);
    return !watcher;
  });
  if (found->second.empty()) buckets_.erase(found);
}

// Forgets watchers that are gone; runs when there may be as many of them as living ones.
void Watchers::sweep() {
  added_ = 0;
  for (auto bucket = buckets_.begin(); bucket != buckets_.end();) {
    std::erase_if(bucket->second, [](const auto& weak) { return weak.expired(); });
    added_ += bucket->second.size();
    bucket = bucket->second.empty() ? buckets_.erase(bucket) : std::next(bucket);
  }
  sweep_at_ = std::max<std::size_t>(64, added_ * 2);
}

}  // namespace mk::apiserver
