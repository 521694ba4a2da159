#include "mk/client/informer.h"

#include "mk/base/log.h"

namespace mk::client {
namespace {

constexpr Log kLog("client");
constexpr rt::Duration kDelayMin = std::chrono::milliseconds(800);
constexpr rt::Duration kDelayMax = std::chrono::seconds(30);
constexpr std::size_t kYieldEvery = 256;  // objects; about a millisecond of handlers

}  // namespace

Informer::Informer(Client& client, rt::Clock& clock, rt::Random& random, api::Gvr resource, std::string ns,
                   ListOptions filter)
    : client_(client),
      clock_(clock),
      random_(random),
      resource_(std::move(resource)),
      ns_(std::move(ns)),
      filter_(std::move(filter)) {}

Informer::~Informer() = default;

void Informer::on_change(Handler handler) {
  handlers_.push_back(std::move(handler));
}

void Informer::add_index(std::string name, IndexFunction function) {
  indexes_[std::move(name)].function = std::move(function);
}

void Informer::start(rt::Group& group) {
  group.spawn("informer " + resource_.qualified(), run());
}

rt::Task<> Informer::wait_synced() {
  while (!synced_) co_await synced_event_.wait();
}

// Lists when it must, watches otherwise. Whatever ends a watch, the next one goes on from the last version
// seen, unless the server has forgotten it.
rt::Task<> Informer::run() {
  for (;;) {
    if (version_.empty()) {
      auto listed = co_await list();
      if (!listed.ok()) {
        kLog.warn("list failed", "resource", resource_.qualified(), "error", listed.error().message());
        co_await pause();
        continue;
      }
    }
    const auto began = clock_.mono();
    const Error ended = co_await watch();
    if (ended.is(Reason::kExpired)) {
      version_.clear();
      expired_ = true;
    } else if (!ended.is(Reason::kGone)) {
      kLog.info("watch failed", "resource", resource_.qualified(), "error", ended.message());
    }
    if (!go_on_at_once(ended, clock_.mono() - began)) co_await pause();
  }
}

// After an orderly end, and the first time that the version was too old; neither may spin.
bool Informer::go_on_at_once(const Error& ended, rt::Duration lasted) {
  if (ended.is(Reason::kGone)) return lasted > std::chrono::seconds(1);
  return ended.is(Reason::kExpired) && !std::exchange(relisted_at_once_, true);
}

// Exponential, with as much again by chance, so that clients that lost one server do not return as one.
rt::Task<> Informer::pause() {
  delay_ = std::clamp(delay_ * 2, kDelayMin, kDelayMax);
  const auto jittered =
      static_cast<std::int64_t>(static_cast<double>(delay_.count()) * (1.0 + random_.unit()));
  co_await clock_.sleep_for(std::min(rt::Duration(jittered), kDelayMax));
}

rt::Task<Result<void>> Informer::list() {
  ListOptions options = filter_;
  options.resource_version = expired_ ? "" : "0";
  auto listed = co_await client_.list(resource_, ns_, std::move(options));
  if (!listed) co_return std::move(listed).error();
  co_await replace_all(std::move(listed->items));
  version_ = std::move(listed->resource_version);
  expired_ = false;
  if (!synced_) {
    synced_ = true;
    synced_event_.notify_all();
  }
  co_return ok();
}

rt::Task<Error> Informer::watch() {
  WatchOptions options;
  options.label_selector = filter_.label_selector;
  options.field_selector = filter_.field_selector;
  options.resource_version = version_;
  auto opened = co_await client_.watch(resource_, ns_, std::move(options));
  if (!opened) co_return std::move(opened).error();
  for (;;) {
    auto event = co_await (*opened)->next();
    if (!event) co_return std::move(event).error();
    delay_ = {};  // it works
    relisted_at_once_ = false;
    apply(*event);
  }
}

rt::Task<> Informer::replace_all(std::vector<api::Object> items) {
  std::set<api::Key> present;
  std::size_t handled = 0;
  for (auto& item : items) {
    present.insert(item.key());
    put(std::move(item));
    if (++handled % kYieldEvery == 0) co_await rt::yield();
  }
  std::vector<api::Key> gone;
  for (const auto& [key, object] : objects_)
    if (present.count(key) == 0) gone.push_back(key);
  for (const auto& key : gone) {
    erase(key);
    if (++handled % kYieldEvery == 0) co_await rt::yield();
  }
}

void Informer::apply(const WatchEvent& event) {
  switch (event.type) {
    case WatchEvent::Type::kAdded:
    case WatchEvent::Type::kModified:
      put(event.object);
      break;
    case WatchEvent::Type::kDeleted:
      erase(event.object.key());
      break;
    case WatchEvent::Type::kBookmark:
      break;
  }
  const auto version = event.object.resource_version();
  if (!version.empty()) version_ = version;
}

void Informer::put(api::Object object) {
  api::Object& place = objects_[object.key()];
  if (place && place.resource_version() == object.resource_version() && place.uid() == object.uid()) return;
  const api::Object before = place;
  if (before) unindex(before);
  place = object;
  index(object);
  notify(before, object);
}

void Informer::erase(const api::Key& key) {
  const auto found = objects_.find(key);
  if (found == objects_.end()) return;
  const api::Object before = found->second;
  objects_.erase(found);
  unindex(before);
  notify(before, api::Object());
}

void Informer::notify(const api::Object& before, const api::Object& after) {
  for (const auto& handler : handlers_) handler(before, after);
}

void Informer::index(const api::Object& object) {
  for (auto& [name, one] : indexes_)
    for (const auto& value : one.function(object)) one.keys[value].insert(object.key());
}

void Informer::unindex(const api::Object& object) {
  for (auto& [name, one] : indexes_) {
    for (const auto& value : one.function(object)) {
      const auto found = one.keys.find(value);
      if (found == one.keys.end()) continue;
      found->second.erase(object.key());
      if (found->second.empty()) one.keys.erase(found);
    }
  }
}

api::Object Informer::get(const api::Key& key) const {
  const auto found = objects_.find(key);
  return found == objects_.end() ? api::Object() : found->second;
}

std::vector<api::Object> Informer::all() const {
  std::vector<api::Object> out;
  out.reserve(objects_.size());
  for (const auto& [key, object] : objects_) out.push_back(object);
  return out;
}

std::vector<api::Object> Informer::in_namespace(const std::string& ns) const {
  std::vector<api::Object> out;
  for (auto at = objects_.lower_bound(api::Key(ns, "")); at != objects_.end() && at->first.ns == ns; ++at)
    out.push_back(at->second);
  return out;
}

std::vector<api::Object> Informer::by_index(const std::string& index_name, const std::string& value) const {
  std::vector<api::Object> out;
  const auto one = indexes_.find(index_name);
  MK_ASSERT(one != indexes_.end());
  const auto keys = one->second.keys.find(value);
  if (keys == one->second.keys.end()) return out;
  for (const auto& key : keys->second) out.push_back(objects_.at(key));
  return out;
}

}  // namespace mk::client
