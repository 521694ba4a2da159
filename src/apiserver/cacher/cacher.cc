#include "cacher/cacher.h"

#include <algorithm>

#include "cacher/cached_object.h"
#include "cacher/event_versions.h"
#include "mk/base/strings.h"

namespace mk::apiserver {
namespace {

constexpr std::size_t kLoadPage = 500;
const std::string kEvents = "events";

// The previous state of an object that left a filter, as of the change that made it leave.
api::Object at_revision(const api::Object& object, store::Revision revision) {
  const std::string version = std::to_string(revision);
  return object.with([&](api::Json& json) { api::set(json, "metadata.resourceVersion", api::text(version)); });
}

}  // namespace

std::optional<WatchItem> CacheWatcher::try_next() { return items_.try_pop(); }

void CacheWatcher::offer(const CacheEvent& event) {
  seen_ = event.revision;
  if (items_.closed()) return;
  const api::Object& any = event.after ? event.after : event.before;
  if (!filter_.name.empty() || !filter_.ns.empty()) {
    if (!filter_.admits(any.key())) return;
  }
  const bool matched = event.before && filter_.matches(event.before);
  const bool matches = !event.removed && filter_.matches(event.after);
  if (!matched && !matches) return;
  if (items_.size() >= kBehindMax) {
    lagging_ = true;
    items_.close();
    return;
  }
  if (matches) {
    const auto type = matched ? WatchItem::Type::kModified : WatchItem::Type::kAdded;
    items_.push(WatchItem(type, event.after, event.revision));
  } else {
    api::Object gone = event.removed ? event.after : at_revision(event.before, event.revision);
    items_.push(WatchItem(WatchItem::Type::kDeleted, std::move(gone), event.revision));
  }
}

api::Object ResourceCache::get(const api::Key& key) const {
  const auto found = objects_.find(key);
  return found == objects_.end() ? api::Object() : found->second;
}

void ResourceCache::for_each(const std::string& ns, const std::function<bool(const api::Object&)>& visit) const {
  auto at = ns.empty() ? objects_.begin() : objects_.lower_bound(api::Key(ns, ""));
  for (; at != objects_.end() && (ns.empty() || at->first.ns == ns); ++at) {
    if (!visit(at->second)) return;
  }
}

std::vector<api::Object> ResourceCache::list(const Filter& filter) const {
  std::vector<api::Object> out;
  if (!filter.name.empty() && !filter.ns.empty()) {
    const api::Object object = get(api::Key(filter.ns, filter.name));
    if (object && filter.matches(object)) out.push_back(object);
    return out;
  }
  const bool look_inside = !filter.labels.everything() || !filter.fields.empty();
  auto at = filter.ns.empty() ? objects_.begin() : objects_.lower_bound(api::Key(filter.ns, ""));
  for (; at != objects_.end() && (filter.ns.empty() || at->first.ns == filter.ns); ++at) {
    if (!filter.admits(at->first)) continue;
    if (!look_inside || filter.matches(at->second)) out.push_back(at->second);
  }
  return out;
}

Result<std::shared_ptr<CacheWatcher>> ResourceCache::watch(Filter filter, store::Revision since) {
  if (since < oldest_)
    return Error(Reason::kExpired, "too old resource version: " + std::to_string(since) + " (" +
                                       std::to_string(oldest_) + ")");
  auto watcher = std::make_shared<CacheWatcher>(std::move(filter));
  watcher->seen_ = since;
  const auto first = std::upper_bound(recent_.begin(), recent_.end(), since,
                                      [](store::Revision value, const CacheEvent& event) { return value < event.revision; });
  for (auto event = first; event != recent_.end(); ++event) watcher->offer(*event);
  watchers_.push_back(watcher);
  return watcher;
}

void ResourceCache::load(const api::Key& key, api::Object object, store::Revision revision) {
  objects_[key] = std::move(object);
  changed_ = std::max(changed_, revision);
}

void ResourceCache::remember(const CacheEvent& event) {
  recent_.push_back(event);
  if (recent_.size() > kRememberMax) {
    oldest_ = recent_.front().revision;
    recent_.pop_front();
  }
}

void ResourceCache::apply(CacheEvent event, const api::Key& key) {
  const auto found = objects_.find(key);
  if (found != objects_.end()) event.before = found->second;
  if (event.removed) {
    if (found != objects_.end()) objects_.erase(found);
  } else {
    objects_[key] = event.after;
  }
  changed_ = event.revision;
  remember(event);
  for (const auto& handler : handlers_) handler(event);
  std::erase_if(watchers_, [&](const std::weak_ptr<CacheWatcher>& weak) {
    const auto watcher = weak.lock();
    if (watcher) watcher->offer(event);
    return !watcher;
  });
}

Cacher::Cacher(store::Store& store) : store_(store) {
  store_.set_feed([this](const std::vector<store::Change>& changes) { feed(changes); });
}

rt::Task<Result<void>> Cacher::load() {
  std::string after;
  for (;;) {
    MK_CO_ASSIGN(auto page, co_await store_.range("", after, kLoadPage, 0));
    for (const auto& entry : page.entries) {
      const auto slash = entry.key.find('/');
      resource(entry.key.substr(0, slash))
          .load(object_key(entry.key), decode_stored(entry.value, entry.revision), entry.revision);
    }
    if (!page.more) break;
    after = page.entries.back().key;
  }
  loaded_ = store_.revision();
  for (auto& [name, cache] : resources_) cache->oldest_ = loaded_;
  co_return ok();
}

ResourceCache& Cacher::resource(const api::Gvr& gvr) { return is_event_view(gvr) ? event_view() : resource(gvr.qualified()); }

api::Object Cacher::get(const api::Gvr& gvr, const api::Key& key) {
  const api::Object object = resource(stored_as(gvr).qualified()).get(key);
  return object && is_event_view(gvr) ? api::Object(event_for_view(object.json())) : object;
}

ResourceCache& Cacher::event_view() {
  if (event_view_) return *event_view_;
  event_view_ = std::make_unique<ResourceCache>();
  resource(kEvents).for_each("", [this](const api::Object& object) {
    event_view_->load(object.key(), api::Object(event_for_view(object.json())), parse_int(object.resource_version()).value_or(0));
    return true;
  });
  event_view_->oldest_ = revision();
  return *event_view_;
}

ResourceCache& Cacher::resource(const std::string& qualified) {
  auto& cache = resources_[qualified];
  if (!cache) {
    cache = std::make_unique<ResourceCache>();
    cache->oldest_ = loaded_;
  }
  return *cache;
}

void Cacher::feed(const std::vector<store::Change>& changes) {
  for (const auto& change : changes) {
    CacheEvent event;
    event.revision = change.revision;
    event.removed = change.removed;
    event.after = decode_stored(change.value, change.revision);
    const auto slash = change.key.find('/');
    const std::string qualified = change.key.substr(0, slash);
    if (event_view_ && qualified == kEvents) {
      CacheEvent shown = event;
      shown.after = api::Object(event_for_view(event.after.json()));
      event_view_->apply(std::move(shown), object_key(change.key));
    }
    resource(qualified).apply(std::move(event), object_key(change.key));
  }
}

std::string Cacher::store_prefix(const api::Gvr& gvr, const std::string& ns) {
  // Cluster-scoped objects have an empty namespace part, so that every key has the same three.
  const std::string prefix = stored_as(gvr).qualified() + "/";
  return ns.empty() ? prefix : prefix + ns + "/";
}

std::string Cacher::store_key(const api::Gvr& gvr, const api::Key& key) {
  return stored_as(gvr).qualified() + "/" + key.ns + "/" + key.name;
}

api::Key Cacher::object_key(std::string_view store_key) {
  const auto first = store_key.find('/'), second = store_key.find('/', first + 1);
  return api::Key(std::string(store_key.substr(first + 1, second - first - 1)), std::string(store_key.substr(second + 1)));
}

}  // namespace mk::apiserver
