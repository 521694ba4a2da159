#include "garbagecollector/garbage_collector.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "kit/objects.h"

namespace mk::controller {

using gc::Node;
using gc::Owner;

GarbageCollector::GarbageCollector(Context& context_)
    : Controller(context_, "generic-garbage-collector"), defined_(cache(kDefinitions)) {
  defined_.on_change([this](const api::ResourceInfo& resource, bool served) {
    if (!started_) return;
    turns_.erase(&resource);
    if (served) begin_following(resource);
  });
}

void GarbageCollector::start() {
  started_ = true;
  for (const auto& resource : api::builtin_resources()) {
    // Events own nothing, are owned by nothing, and are many.
    if (resource.gvr.resource == "events") continue;
    if (!resource.has_verb("list") || !resource.has_verb("watch") || !resource.has_verb("delete")) continue;
    begin_following(resource);
  }
  for (const auto* resource : defined_.all()) begin_following(*resource);
  context().group.spawn("garbage collector", begin());
}

void GarbageCollector::begin_following(const api::ResourceInfo& resource) {
  turns_[&resource] = ++last_turn_;
  ++unsynced_;
  context().group.spawn("garbage collector", follow(&resource, last_turn_));
}

bool GarbageCollector::followed(const api::ResourceInfo* resource, std::uint64_t turn) const {
  const auto found = turns_.find(resource);
  return found != turns_.end() && found->second == turn;
}

// The resource is gone, and its objects with it; unless they are seen through another version by now.
void GarbageCollector::forget_all(const api::ResourceInfo* resource) {
  for (const auto& uid : std::exchange(uids_[resource], {})) {
    const auto* node = graph_.find(uid);
    if (node && node->resource == resource) look_at(graph_.remove(uid));
  }
  uids_.erase(resource);
}

// Nothing is judged before everything has been seen once: else every owner would have to be asked for.
rt::Task<> GarbageCollector::begin() {
  while (unsynced_ > 0) co_await synced_.wait();
  Controller::start();
}

rt::Task<> GarbageCollector::follow(const api::ResourceInfo* resource, std::uint64_t turn) {
  bool first = true;
  rt::Duration delay = std::chrono::seconds(1);
  const auto seen_once = [&] {
    if (std::exchange(first, false) && --unsynced_ == 0) synced_.notify_all();
  };
  while (followed(resource, turn)) {
    const auto version = co_await list(resource);
    if (version.ok() || version.error().is(Reason::kNotFound) || version.error().is(Reason::kForbidden))
      seen_once();
    if (version.ok()) {
      delay = std::chrono::seconds(1);
      const auto error = co_await watch_from(resource, *version);
      log().debug("watch ended", "resource", resource->gvr.qualified(), "why", error.message());
    }
    if (!followed(resource, turn)) break;
    co_await clock().sleep_for(delay);
    delay = std::min<rt::Duration>(delay * 2, std::chrono::seconds(60));
  }
  seen_once();
  if (!turns_.contains(resource)) forget_all(resource);
}

rt::Task<Result<std::string>> GarbageCollector::list(const api::ResourceInfo* resource) {
  std::unordered_set<std::string> vanished = uids_[resource];
  client::ListOptions options;
  options.limit = 500;
  while (true) {
    auto page = co_await client().list(resource->gvr, "", options);
    if (!page.ok()) co_return std::move(page).error();
    for (const auto& object : page->items) {
      observe(*resource, object, false);
      vanished.erase(std::string(object.uid()));
    }
    options.continue_token = page->continue_token;
    if (!options.continue_token.empty()) continue;
    for (const auto& uid : vanished) {
      uids_[resource].erase(uid);
      look_at(graph_.remove(uid));
    }
    co_return page->resource_version;
  }
}

rt::Task<Error> GarbageCollector::watch_from(const api::ResourceInfo* resource, std::string version) {
  while (true) {
    client::WatchOptions options;
    options.resource_version = version;
    auto watch = co_await client().watch(resource->gvr, "", std::move(options));
    if (!watch.ok()) co_return std::move(watch).error();
    bool ended = false;
    while (!ended) {
      auto event = co_await (*watch)->next();
      if (!event.ok()) {
        if (!event.error().is(Reason::kGone)) co_return std::move(event).error();
        ended = true;  // in the ordinary way: go on from where it stopped
        continue;
      }
      version = std::string(event->object.resource_version());
      if (event->type == client::WatchEvent::Type::kBookmark) continue;
      observe(*resource, event->object, event->type == client::WatchEvent::Type::kDeleted);
    }
    co_await rt::yield();
  }
}

// Reads a copy of its own, so that the shared object does not keep a parsed form for our sake.
void GarbageCollector::observe(const api::ResourceInfo& resource, const api::Object& object, bool gone) {
  const api::Object copy(object.bytes());
  auto node = gc::node_of(resource, copy.json());
  if (node.uid.empty()) return;
  if (gone) {
    uids_[&resource].erase(node.uid);
    look_at(graph_.remove(node.uid));
  } else {
    uids_[&resource].insert(node.uid);
    look_at(graph_.put(std::move(node)));
  }
}

void GarbageCollector::look_at(const std::vector<std::string>& uids) {
  for (const auto& uid : uids) enqueue(api::Key("", uid));
}

rt::Task<Result<void>> GarbageCollector::reconcile(api::Key key) {
  const auto* found = graph_.find(key.name);
  if (!found) co_return ok();
  const Node node = *found;
  if (node.deleting && node.orphan) co_return co_await finish_orphan(node);
  if (node.deleting && node.foreground) co_return co_await finish_foreground(node);
  if (node.deleting || node.owners.empty()) co_return ok();
  co_return co_await collect(node);
}

// An owner not in the graph may be newer than our watch, or of a kind we do not watch: the server knows.
rt::Task<Result<GarbageCollector::State>> GarbageCollector::state_of(Node dependent, Owner owner) {
  if (const auto* found = graph_.find(owner.uid)) {
    const bool reachable = !found->resource->namespaced || found->key.ns == dependent.key.ns;
    if (!reachable) co_return State::kAbsent;
    co_return found->deleting && found->foreground ? State::kWaiting : State::kSolid;
  }
  const auto kind = api::parse_gvk(owner.api_version, owner.kind);
  const auto* resource = api::find_builtin(kind);
  if (!resource) resource = defined_.find(kind);
  if (!resource) co_return State::kSolid;  // of a kind we cannot ask for: never delete on a guess
  // A cluster-scoped object cannot belong to a namespaced one.
  if (resource->namespaced && dependent.key.ns.empty()) co_return State::kSolid;
  auto live = co_await client().get(resource->gvr,
                                    api::Key(resource->namespaced ? dependent.key.ns : "", owner.name));
  if (live.ok()) co_return live->uid() == owner.uid ? State::kSolid : State::kAbsent;
  if (live.error().is(Reason::kNotFound)) co_return State::kAbsent;
  co_return std::move(live).error();
}

rt::Task<Result<void>> GarbageCollector::collect(Node stale) {
  // The latest word on its owners: what is deleted is gone for good.
  auto live = co_await client().get(stale.resource->gvr, stale.key);
  if (!live.ok()) {
    if (live.error().is(Reason::kNotFound)) co_return ok();
    co_return std::move(live).error();
  }
  const Node node = gc::node_of(*stale.resource, live->json());
  if (node.uid != stale.uid || node.deleting) co_return ok();
  gc::Owners owners;
  std::vector<std::string> not_solid;
  for (const auto& owner : node.owners) {
    MK_CO_ASSIGN(const auto state, co_await state_of(node, owner));
    if (state == State::kSolid) ++owners.solid;
    if (state == State::kWaiting) ++owners.waiting;
    if (state == State::kAbsent) ++owners.absent;
    if (state != State::kSolid) not_solid.push_back(owner.uid);
  }
  switch (gc::judge(owners, !graph_.dependents(node.uid).empty())) {
    case gc::Verdict::kKeep:
      break;
    case gc::Verdict::kDropReferences:
      co_return co_await drop_references(node, std::move(not_solid));
    case gc::Verdict::kDeleteForeground:
      MK_CO_TRY(co_await unblock_cycle(node));
      co_return co_await remove(node, "Foreground");
    case gc::Verdict::kDelete:
      co_return co_await remove(node, node.orphan ? "Orphan" : node.foreground ? "Foreground" : "Background");
  }
  co_return ok();
}

rt::Task<Result<void>> GarbageCollector::finish_foreground(Node node) {
  look_at(graph_.dependents(node.uid));
  if (graph_.blocked(node.uid)) co_return ok();  // the end of the last dependent brings us back
  co_return co_await drop_finalizer(node, "foregroundDeletion");
}

rt::Task<Result<void>> GarbageCollector::finish_orphan(Node node) {
  for (const auto& uid : graph_.dependents(node.uid)) {
    const auto* dependent = graph_.find(uid);
    if (!dependent) continue;
    MK_CO_TRY(co_await drop_references(*dependent, {node.uid}));
  }
  co_return co_await drop_finalizer(node, "orphan");
}

// A dependent that is itself an owner being deleted closes a circle: it must not wait for us while we wait
// for it.
rt::Task<Result<void>> GarbageCollector::unblock_cycle(Node node) {
  bool circle = false;
  for (const auto& uid : graph_.dependents(node.uid)) {
    const auto* dependent = graph_.find(uid);
    circle = circle || (dependent && dependent->deleting && dependent->foreground);
  }
  if (!circle) co_return ok();
  auto live = co_await client().get(node.resource->gvr, node.key);
  if (!live.ok() || live->uid() != node.uid) co_return ok();
  auto changed = live->with([](api::Json& json) {
    api::JsonArray owners = api::list(json, "metadata.ownerReferences");
    for (auto& owner : owners) api::set(owner, "blockOwnerDeletion", false);
    api::set(json, "metadata.ownerReferences", std::move(owners));
  });
  auto done = co_await client().update(node.resource->gvr, std::move(changed), "", client::WriteOptions());
  if (done.ok() || done.error().is(Reason::kNotFound)) co_return ok();
  co_return std::move(done).error();
}

rt::Task<Result<void>> GarbageCollector::drop_references(Node node, std::vector<std::string> owners) {
  auto live = co_await client().get(node.resource->gvr, node.key);
  if (!live.ok()) {
    if (live.error().is(Reason::kNotFound)) co_return ok();
    co_return std::move(live).error();
  }
  if (live->uid() != node.uid) co_return ok();
  api::JsonArray kept;
  for (const auto& reference : api::list(live->json(), "metadata.ownerReferences")) {
    if (std::find(owners.begin(), owners.end(), api::str(reference, "uid")) == owners.end())
      kept.push_back(reference);
  }
  if (kept.size() == api::list(live->json(), "metadata.ownerReferences").size()) co_return ok();
  auto changed = live->with([&kept](api::Json& json) {
    if (kept.empty()) {
      api::erase(json, "metadata.ownerReferences");
    } else {
      api::set(json, "metadata.ownerReferences", std::move(kept));
    }
  });
  auto done = co_await client().update(node.resource->gvr, std::move(changed), "", client::WriteOptions());
  if (done.ok() || done.error().is(Reason::kNotFound)) co_return ok();
  co_return std::move(done).error();
}

rt::Task<Result<void>> GarbageCollector::drop_finalizer(Node node, std::string finalizer) {
  auto live = co_await client().get(node.resource->gvr, node.key);
  if (!live.ok()) {
    if (live.error().is(Reason::kNotFound)) co_return ok();
    co_return std::move(live).error();
  }
  if (live->uid() != node.uid) co_return ok();
  auto changed = live->with([&finalizer](api::Json& json) {
    api::JsonArray kept;
    for (const auto& present : api::list(json, "metadata.finalizers")) {
      if (!present.is_string() || present.get_string() != finalizer) kept.push_back(present);
    }
    api::set(json, "metadata.finalizers", std::move(kept));
  });
  auto done = co_await client().update(node.resource->gvr, std::move(changed), "", client::WriteOptions());
  if (done.ok() || done.error().is(Reason::kNotFound)) co_return ok();
  co_return std::move(done).error();
}

rt::Task<Result<void>> GarbageCollector::remove(Node node, std::string propagation) {
  client::DeleteOptions options;
  options.uid = node.uid;
  options.propagation = std::move(propagation);
  auto gone = co_await client().remove(node.resource->gvr, node.key, std::move(options));
  // Conflict: another object of that name by now.
  if (gone.ok() || gone.error().is(Reason::kNotFound) || gone.error().is(Reason::kConflict)) co_return ok();
  co_return std::move(gone).error();
}

}  // namespace mk::controller
