#include "volumes/object_watcher.h"

namespace mk::kubelet {

struct ObjectWatcher::Entry {
  Entry(rt::Loop& loop, client::Client& client, rt::Clock& clock, rt::Random& random, api::Gvr resource,
        api::Key key_, client::ListOptions filter)
      : key(std::move(key_)),
        informer(client, clock, random, std::move(resource), key.ns, std::move(filter)),
        group(loop.executor()) {}

  void notify() {
    // A listener may give up its own lease, so the next one is found first.
    for (auto it = listeners.begin(); it != listeners.end();) (*it++)();
  }

  std::string id;
  api::Key key;
  client::Informer informer;
  rt::Group group;
  std::list<Listener> listeners;
};

ObjectWatcher::Lease::Lease(ObjectWatcher& owner, std::shared_ptr<Entry> entry,
                            std::list<Listener>::iterator listener)
    : owner_(owner), entry_(std::move(entry)), listener_(listener) {}

ObjectWatcher::Lease::~Lease() {
  entry_->listeners.erase(listener_);
  if (entry_->listeners.empty()) owner_.release(entry_);
}

bool ObjectWatcher::Lease::known() const {
  return entry_->informer.synced();
}
api::Object ObjectWatcher::Lease::object() const {
  return entry_->informer.get(entry_->key);
}

ObjectWatcher::ObjectWatcher(rt::Loop& loop, client::Client& client, rt::Clock& clock, rt::Random& random)
    : loop_(loop), client_(client), clock_(clock), random_(random), retiring_(loop.executor()) {}

ObjectWatcher::~ObjectWatcher() = default;

std::unique_ptr<ObjectWatcher::Lease> ObjectWatcher::watch(api::Gvr resource, api::Key key,
                                                           Listener listener) {
  const std::string id = resource.qualified() + "/" + key.str();
  auto& entry = entries_[id];
  if (entry == nullptr) {
    client::ListOptions filter;
    filter.field_selector = "metadata.name=" + key.name;
    entry = std::make_shared<Entry>(loop_, client_, clock_, random_, std::move(resource), std::move(key),
                                    std::move(filter));
    entry->id = id;
    entry->informer.on_change([raw = entry.get()](const api::Object&, const api::Object&) { raw->notify(); });
    entry->informer.start(entry->group);
    entry->group.spawn("first answer of " + id, announce(entry));
  }
  const auto place = entry->listeners.insert(entry->listeners.end(), std::move(listener));
  return std::unique_ptr<Lease>(new Lease(*this, entry, place));
}

rt::Task<> ObjectWatcher::announce(std::shared_ptr<Entry> entry) {
  co_await entry->informer.wait_synced();
  entry->notify();
}

// The informer's tasks refer to the entry, which therefore lives until they have ended.
rt::Task<> ObjectWatcher::retire(std::shared_ptr<Entry> entry) {
  co_await entry->group.stop();
}

void ObjectWatcher::release(const std::shared_ptr<Entry>& entry) {
  const auto found = entries_.find(entry->id);
  if (found == entries_.end() || found->second != entry) return;
  retiring_.spawn("end of watch " + entry->id, retire(entry));
  entries_.erase(found);
}

rt::Task<> ObjectWatcher::stop() {
  auto entries = std::move(entries_);
  entries_.clear();
  for (auto& [id, entry] : entries) co_await entry->group.stop();
  while (retiring_.size() != 0) co_await rt::yield();
}

}  // namespace mk::kubelet
