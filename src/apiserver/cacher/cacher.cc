#include "cacher/cacher.h"

#include <algorithm>

#include "cacher/autoscaler_versions.h"
#include "cacher/cached_object.h"
#include "cacher/event_versions.h"
#include "mk/base/strings.h"

namespace mk::apiserver {
namespace {

constexpr std::size_t kLoadPage = 500;
const std::string kEvents = "events";
// How much of the past is replayed at a start: enough for watches to resume, few enough to be ready at once.
constexpr store::Revision kReplayMax = 5000;
// Resources whose last changes a power cut may lose (store::Durability::kLazy).
constexpr const char* kLazilyWritten[] = {"events", "leases.coordination.k8s.io"};

// The previous state of an object that left a filter, as of the change that made it leave.
api::Object at_revision(const api::Object& object, store::Revision revision) {
  const std::string version = std::to_string(revision);
  return object.with(
      [&](api::Json& json) { api::set(json, "metadata.resourceVersion", api::text(version)); });
}

}  // namespace

std::optional<WatchItem> CacheWatcher::try_next() {
  return items_.try_pop();
}

void CacheWatcher::push(WatchItem item) {
  if (items_.size() < kBehindMax) {
    items_.push(std::move(item));
    return;
  }
  lagging_ = true;
  items_.close();
}

void CacheWatcher::offer(const CacheEvent& event) {
  if (event.revision <= seen_) return;
  seen_ = event.revision;
  if (items_.closed() || !filter_.admits(event.key)) return;
  const bool matched = event.before && filter_.selects(event.before);
  const bool matches = !event.removed && filter_.selects(event.after);
  if (matches) {
    const auto type = matched ? WatchItem::Type::kModified : WatchItem::Type::kAdded;
    push(WatchItem(type, event.after, event.revision));
  } else if (matched) {
    api::Object gone = event.removed ? event.after : at_revision(event.before, event.revision);
    push(WatchItem(WatchItem::Type::kDeleted, std::move(gone), event.revision));
  }
}

api::Object ResourceCache::get(const api::Key& key) const {
  const auto found = objects_.find(key);
  return found == objects_.end() ? api::Object() : found->second;
}

void ResourceCache::for_each(const std::string& ns,
                             const std::function<bool(const api::Object&)>& visit) const {
  auto at = ns.empty() ? objects_.begin() : objects_.lower_bound(api::Key(ns, ""));
  for (; at != objects_.end() && (ns.empty() || at->first.ns == ns); ++at) {
    if (!visit(at->second)) return;
  }
}

std::vector<api::Object> ResourceCache::list(const Filter& filter) const {
  return page(filter, 0).items;
}

ResourceCache::Page ResourceCache::page(const Filter& filter, std::size_t limit) const {
  Page out;
  const bool inside = filter.looks_inside();
  // Cluster-scoped objects have no namespace, so this finds them too; others are looked for in every
  // namespace.
  if (!filter.name.empty()) {
    const auto found = objects_.find(api::Key(filter.ns, filter.name));
    if (found != objects_.end() && (!inside || filter.selects(found->second))) {
      out.items.push_back(found->second);
      out.last = found->first;
    }
    if (found != objects_.end() || !filter.ns.empty()) return out;
  }
  auto at = filter.ns.empty() ? objects_.begin() : objects_.lower_bound(api::Key(filter.ns, ""));
  for (; at != objects_.end() && (filter.ns.empty() || at->first.ns == filter.ns); ++at) {
    if (!filter.admits(at->first) || (inside && !filter.selects(at->second))) continue;
    if (limit != 0 && out.items.size() == limit) {
      ++out.behind;
      if (inside) break;
      continue;
    }
    out.items.push_back(at->second);
    if (limit != 0 && out.items.size() == limit) out.last = at->first;
  }
  return out;
}

std::size_t ResourceCache::count_behind(const Filter& filter, const api::Key& after) const {
  std::size_t count = 0;
  for (auto at = objects_.upper_bound(after); at != objects_.end(); ++at) {
    if (!filter.ns.empty() && at->first.ns != filter.ns) break;
    if (filter.admits(at->first)) ++count;
  }
  return count;
}

Result<std::shared_ptr<CacheWatcher>> ResourceCache::watch(Filter filter, store::Revision since) {
  if (since < oldest_)
    return Error(Reason::kExpired,
                 "too old resource version: " + std::to_string(since) + " (" + std::to_string(oldest_) + ")");
  auto watcher = std::make_shared<CacheWatcher>(std::move(filter));
  watcher->seen_ = since;
  const auto first =
      std::upper_bound(recent_.begin(), recent_.end(), since,
                       [](store::Revision value, const CacheEvent& event) { return value < event.revision; });
  for (auto event = first; event != recent_.end(); ++event) watcher->offer(*event);
  watchers_.add(watcher->filter_, watcher);
  return watcher;
}

void ResourceCache::load(const api::Key& key, api::Object object, store::Revision revision) {
  objects_[key] = std::move(object);
  changed_ = std::max(changed_, revision);
}

void ResourceCache::remember(CacheEvent event) {
  recent_.push_back(std::move(event));
  if (recent_.size() > kRememberMax) {
    oldest_ = recent_.front().revision;
    recent_.pop_front();
  }
}

void ResourceCache::apply(CacheEvent event) {
  for (auto& view : views_) {
    if (!view.cache) continue;
    CacheEvent shown = event;
    shown.after = view.show(event.after);
    view.cache->apply(std::move(shown));
  }
  const auto found = objects_.find(event.key);
  if (found != objects_.end()) event.before = found->second;
  if (!event.removed) {
    objects_[event.key] = event.after;
  } else if (found != objects_.end()) {
    objects_.erase(found);
  }
  changed_ = event.revision;
  for (const auto& handler : handlers_) handler(event);
  watchers_.for_each(event, [&](CacheWatcher& watcher) { watcher.offer(event); });
  remember(std::move(event));
}

void ResourceCache::add_view(std::string api_version, Show show) {
  views_.push_back(View{std::move(api_version), std::move(show), nullptr});
}

void ResourceCache::drop_views() {
  for (auto& view : std::exchange(views_, {})) {
    if (view.cache) view.cache->watchers_.close_all();
  }
}

ResourceCache::View* ResourceCache::view(const api::Gvr& gvr) {
  if (views_.empty()) return nullptr;
  const auto version = gvr.api_version();
  const auto found = std::find_if(views_.begin(), views_.end(),
                                  [&](const View& view) { return view.api_version == version; });
  return found == views_.end() ? nullptr : &*found;
}

ResourceCache& ResourceCache::filled(View& view) {
  if (view.cache) return *view.cache;
  view.cache = std::make_unique<ResourceCache>();
  ResourceCache& cache = *view.cache;
  for (const auto& [key, object] : objects_) cache.objects_.emplace(key, view.show(object));
  for (CacheEvent event : recent_) {
    event.after = view.show(event.after);
    if (event.before) event.before = view.show(event.before);
    cache.recent_.push_back(std::move(event));
  }
  cache.oldest_ = oldest_;
  cache.changed_ = changed_;
  return cache;
}

Cacher::Cacher(store::Store& store) : store_(store) {
  stored(kEvents).add_view("events.k8s.io/v1", [](const api::Object& object) {
    return api::Object(event_for_view(object.json()));
  });
  stored(std::string(kAutoscalers)).add_view(std::string(kOldAutoscaling), [](const api::Object& object) {
    const api::Object own(object.bytes());  // the shared object shall not keep a parsed form
    return api::Object(autoscaler_for_view(own.json()));
  });
  // What comes while the past is read is part of it then.
  store_.set_feed([this](const std::vector<store::Change>& changes) {
    if (!loading_) feed(changes);
  });
  store_.set_skipped([this](store::Revision up_to) { skipped(up_to); });
}

bool Cacher::may_be_behind(std::string_view resource_version) const {
  if (store_.current()) return false;
  return resource_version.empty() || parse_int(resource_version).value_or(0) > revision();
}

rt::Task<Result<void>> Cacher::load() {
  loading_ = true;
  const store::Revision now = store_.revision();
  MK_CO_ASSIGN(const store::Revision last, co_await last_change());
  const store::Revision since = std::max(store_.compacted(), last - kReplayMax);
  MK_CO_TRY(co_await load_state(since));
  loaded_ = since;
  for (auto& [name, cache] : resources_) cache->oldest_ = since;
  MK_CO_TRY(co_await replay(since));
  loading_ = false;
  if (last != now) skipped(now);
  co_return ok();
}

// mk was killed, or another server leads: lazily written changes may be lost that watchers have seen. Only a
// new list tells them.
void Cacher::skipped(store::Revision up_to) {
  for (const char* lazy : kLazilyWritten) {
    ResourceCache& cache = stored(lazy);
    cache.oldest_ = std::max(cache.oldest_, up_to);
    for (auto& view : cache.views_) {
      if (view.cache) view.cache->oldest_ = cache.oldest_;
    }
  }
}

rt::Task<Result<void>> Cacher::load_state(store::Revision at) {
  if (at == 0) co_return ok();  // nothing was ever compacted: history tells everything
  std::string after;
  for (;;) {
    MK_CO_ASSIGN(auto page, co_await store_.range("", after, kLoadPage, at));
    for (const auto& entry : page.entries) {
      const auto slash = entry.key.find('/');
      stored(entry.key.substr(0, slash))
          .load(object_key(entry.key), decode_stored(entry.value, entry.revision), entry.revision);
    }
    if (!page.more) co_return ok();
    after = page.entries.back().key;
  }
}

// The revision of the last change that history has (of compaction, if it has none): after a crash, the
// store's own revision is ahead of it.
rt::Task<Result<store::Revision>> Cacher::last_change() {
  store::Revision low = store_.compacted(), high = store_.revision();
  // Invariant: no change is above `high`, and if any is above compacted(), the last is above or at `low`.
  while (low < high) {
    const store::Revision probe = high - 1 - (high == store_.revision() ? 0 : (high - 1 - low) / 2);
    MK_CO_ASSIGN(const auto changes, co_await store_.history(probe, 1));
    if (changes.empty()) {
      high = probe;
    } else {
      low = changes.front().revision;
    }
  }
  co_return low;
}

rt::Task<Result<void>> Cacher::replay(store::Revision since) {
  for (;;) {
    const store::Revision asked_at = store_.revision();
    MK_CO_ASSIGN(const auto changes, co_await store_.history(since, kLoadPage));
    if (changes.empty() && asked_at == store_.revision()) co_return ok();
    if (changes.empty()) continue;  // something was fed meanwhile, and not to us
    feed(changes);
    since = changes.back().revision;
  }
}

ResourceCache& Cacher::resource(const api::Gvr& gvr) {
  ResourceCache& cache = stored(stored_as(gvr).qualified());
  auto* view = cache.view(gvr);
  return view ? cache.filled(*view) : cache;
}

api::Object Cacher::get(const api::Gvr& gvr, const api::Key& key) {
  ResourceCache& cache = stored(stored_as(gvr).qualified());
  auto* view = cache.view(gvr);
  if (!view) return cache.get(key);
  if (view->cache) return view->cache->get(key);
  const api::Object object = cache.get(key);
  return object ? view->show(object) : object;
}

api::Object Cacher::show(const api::Gvr& gvr, std::string_view bytes, store::Revision revision) {
  const api::Object object = decode_stored(bytes, revision);
  auto* view = stored(stored_as(gvr).qualified()).view(gvr);
  return view ? view->show(object) : object;
}

ResourceCache& Cacher::stored(const std::string& qualified) {
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
    event.key = object_key(change.key);
    ResourceCache& cache = stored(change.key.substr(0, change.key.find('/')));
    if (!change.removed || !change.value.empty()) {
      event.after = decode_stored(change.value, change.revision);
    } else if (const api::Object before = cache.get(event.key)) {
      event.after = at_revision(before, change.revision);
    } else {
      continue;  // of what nobody here has seen
    }
    cache.apply(std::move(event));
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
  return api::Key(std::string(store_key.substr(first + 1, second - first - 1)),
                  std::string(store_key.substr(second + 1)));
}

}  // namespace mk::apiserver
