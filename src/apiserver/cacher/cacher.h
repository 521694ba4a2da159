#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "cacher/filter.h"
#include "cacher/watchers.h"
#include "mk/api/object.h"
#include "mk/rt/channel.h"
#include "mk/rt/loop.h"
#include "mk/store/store.h"

namespace mk::apiserver {

// One change of an object. `before` is empty for an addition; for a removal `after` is the last state, with
// the revision of the removal.
struct CacheEvent {
  store::Revision revision = 0;
  bool removed = false;
  api::Key key;
  api::Object before, after;
};

// What a filtered watch makes of a change: an object that starts or stops to match was added or deleted.
struct WatchItem {
  enum class Type { kAdded, kModified, kDeleted };
  WatchItem(Type type_, api::Object object_, store::Revision revision_)
      : type(type_), object(std::move(object_)), revision(revision_) {}
  Type type;
  api::Object object;
  store::Revision revision;
};

// One subscriber. A watcher that falls too far behind is closed rather than allowed to hold memory:
// `lagging`.
class CacheWatcher {
 public:
  explicit CacheWatcher(Filter filter) : filter_(std::move(filter)) {}

  // The next change; nullopt when the watcher was closed.
  rt::Task<std::optional<WatchItem>> next() { return items_.pop(); }
  std::optional<WatchItem> try_next();
  bool lagging() const { return lagging_; }
  // The resource is no longer what it was when the watch began: its subscriber has to look again.
  void close() { items_.close(); }
  // Nothing waits to be taken: the subscriber has seen all there is up to the cacher's revision, which is
  // what a bookmark may say.
  bool caught_up() const { return items_.size() == 0 && !items_.closed(); }

 private:
  friend class ResourceCache;
  void offer(const CacheEvent& event);
  void push(WatchItem item);

  static constexpr std::size_t kBehindMax = 10'000;
  const Filter filter_;
  rt::Channel<WatchItem> items_;
  store::Revision seen_ = 0;  // changes up to here have been looked at
  bool lagging_ = false;
};

// How a version of a resource shows an object that is stored in another form.
using Show = std::function<api::Object(const api::Object& stored)>;

// All objects of one resource, as bytes, with the recent past for watches that resume.
class ResourceCache {
 public:
  using Handler = std::function<void(const CacheEvent&)>;

  api::Object get(const api::Key& key) const;  // empty: absent
  std::size_t size() const { return objects_.size(); }
  // In the order of namespace and name.
  std::vector<api::Object> list(const Filter& filter) const;
  struct Page {
    std::vector<api::Object> items;
    api::Key last;           // of the last item
    std::size_t behind = 0;  // how many more match
  };
  // The first `limit` (0: all). What is behind a full page is counted only without selectors, by keys alone;
  // with them `behind` is 1 if there is any more.
  Page page(const Filter& filter, std::size_t limit) const;
  // How many keys behind `after` the filter admits; what is inside is not looked at.
  std::size_t count_behind(const Filter& filter, const api::Key& after) const;
  // `visit` returns false to stop.
  void for_each(const std::string& ns, const std::function<bool(const api::Object&)>& visit) const;

  // Changes after `since`. kExpired when that is too long ago.
  Result<std::shared_ptr<CacheWatcher>> watch(Filter filter, store::Revision since);
  // For parts of the API server itself; runs before the writer resumes. Lives as long as the cache.
  void on_change(Handler handler) { handlers_.push_back(std::move(handler)); }

  // The revision of the resource's last change.
  store::Revision changed() const { return changed_; }

  // Versions that show the stored objects in another form. A view's objects are made when it is first listed
  // or watched, and share the stored bytes where showing changes nothing.
  void add_view(std::string api_version, Show show);
  // Ends their watches too.
  void drop_views();

 private:
  friend class Cacher;
  struct View {
    std::string api_version;
    Show show;
    std::unique_ptr<ResourceCache> cache;  // nullptr: nobody has asked yet
  };
  // nullptr: objects are shown as they are stored.
  View* view(const api::Gvr& gvr);
  ResourceCache& filled(View& view);
  void load(const api::Key& key, api::Object object, store::Revision revision);
  void apply(CacheEvent event);
  void remember(CacheEvent event);

  static constexpr std::size_t kRememberMax = 1000;  // changes kept for resuming watches
  std::map<api::Key, api::Object> objects_;
  std::deque<CacheEvent> recent_;
  store::Revision oldest_ = 0;  // watches may resume from here on
  store::Revision changed_ = 0;
  Watchers watchers_;
  std::vector<Handler> handlers_;
  std::vector<View> views_;
};

// The API server's copy of the store, fed by it: reads and watches are answered from here, writes go to the
// store.
class Cacher {
 public:
  explicit Cacher(store::Store& store);

  // Reads everything; call once, before anything else. Recent changes are replayed from the store's history,
  // so that watches from before a restart resume without a gap.
  rt::Task<Result<void>> load();

  ResourceCache& resource(const api::Gvr& gvr);
  api::Object get(const api::Gvr& gvr, const api::Key& key);
  // What is stored, whatever the version of the resource; by its qualified name.
  ResourceCache& stored(const std::string& qualified);
  // An entry of the store as this version of its resource shows it.
  api::Object show(const api::Gvr& gvr, std::string_view stored, store::Revision revision);
  store::Revision revision() const { return store_.revision(); }
  // Must the store's linearize() come before an answer that is to be no older than this resourceVersion ("":
  // than the request)? Never where one server is all there is.
  bool may_be_behind(std::string_view resource_version) const;
  store::Store& store() { return store_; }

  static std::string store_key(const api::Gvr& gvr, const api::Key& key);
  static std::string store_prefix(const api::Gvr& gvr, const std::string& ns);
  // The key of an object from its store key.
  static api::Key object_key(std::string_view store_key);

 private:
  rt::Task<Result<void>> load_state(store::Revision at);
  rt::Task<Result<store::Revision>> last_change();
  rt::Task<Result<void>> replay(store::Revision since);
  void feed(const std::vector<store::Change>& changes);
  void skipped(store::Revision up_to);

  store::Store& store_;
  std::unordered_map<std::string, std::unique_ptr<ResourceCache>> resources_;
  store::Revision loaded_ = 0;
  bool loading_ = false;
};

}  // namespace mk::apiserver
