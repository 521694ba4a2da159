#include <algorithm>

#include "fake_filter.h"
#include "mk/base/strings.h"

namespace mk::client {

Result<FakeClient::Filter> FakeClient::Filter::make(const api::Gvr& resource, const std::string& ns,
                                                    const std::string& label_selector,
                                                    const std::string& field_selector) {
  Filter out;
  out.resource = resource;
  out.ns = ns;
  MK_ASSIGN(out.labels, api::LabelSelector::parse(label_selector));
  MK_ASSIGN(out.fields, api::parse_field_selector(field_selector));
  return out;
}

bool FakeClient::Filter::matches(const api::Object& object) const {
  if (!object || (!ns.empty() && object.ns() != ns)) return false;
  for (const auto& term : fields)
    if ((api::str(object.json(), term.path) == term.value) != term.equal) return false;
  return labels.matches(api::object(object.json(), "metadata.labels"));
}

// An object that begins or ceases to match is added or deleted as far as this watch is concerned.
void FakeClient::Watcher::offer(const Change& change) {
  if (!(change.resource == filter.resource)) return;
  const bool was = filter.matches(change.before), is = filter.matches(change.after);
  if (is) {
    events.push(WatchEvent(was ? WatchEvent::Type::kModified : WatchEvent::Type::kAdded, change.after));
  } else if (was) {
    // As it was, at the version of the change.
    const auto edit = [&](api::Json& json) {
      api::set(json, "metadata.resourceVersion", api::text(std::to_string(change.revision)));
    };
    events.push(
        WatchEvent(WatchEvent::Type::kDeleted, (change.after ? change.after : change.before).with(edit)));
  }
}

class FakeClient::FakeWatch : public Watch {
 public:
  explicit FakeWatch(std::shared_ptr<Watcher> watcher) : watcher_(std::move(watcher)) {}

  rt::Task<Result<WatchEvent>> next() override {
    auto watcher = watcher_;
    auto event = co_await watcher->events.pop();
    if (!event) co_return Error(Reason::kGone, "the watch has ended");
    co_return std::move(*event);
  }

 private:
  std::shared_ptr<Watcher> watcher_;
};

void FakeClient::publish(std::shared_ptr<const Change> change) {
  history_.push_back(change);
  std::erase_if(watchers_, [](auto& watcher) { return watcher.expired(); });
  for (const auto& watcher : watchers_)
    if (auto alive = watcher.lock()) alive->offer(*change);
}

void FakeClient::end_watches(const Error& why) {
  if (why.is(Reason::kExpired)) {
    history_.clear();
    forgotten_ = ++revision_;
  }
  for (const auto& watcher : watchers_) {
    auto alive = watcher.lock();
    if (!alive) continue;
    alive->events.push(Result<WatchEvent>(why));
    alive->events.close();
  }
  watchers_.clear();
}

std::size_t FakeClient::watches() const {
  return static_cast<std::size_t>(
      std::count_if(watchers_.begin(), watchers_.end(), [](auto& watcher) { return !watcher.expired(); }));
}

rt::Task<Result<std::unique_ptr<Watch>>> FakeClient::watch(api::Gvr resource, std::string ns,
                                                           WatchOptions options) {
  MK_CO_TRY(begin("watch", resource, api::Key(ns, "")));
  auto filter = Filter::make(resource, ns, options.label_selector, options.field_selector);
  if (!filter) co_return std::move(filter).error();
  auto watcher = std::make_shared<Watcher>(std::move(*filter));
  const auto from = parse_int(options.resource_version).value_or(0);
  if (from == 0 || options.send_initial_events) {
    for (const auto& object : all(resource))
      if (watcher->filter.matches(object)) watcher->events.push(WatchEvent(WatchEvent::Type::kAdded, object));
    if (options.send_initial_events) {
      api::Json mark(api::JsonObject{});
      api::set(mark, "metadata.resourceVersion", api::text(std::to_string(revision_)));
      api::set(mark, "metadata.annotations", api::JsonObject{{"k8s.io/initial-events-end", "true"}});
      watcher->events.push(WatchEvent(WatchEvent::Type::kBookmark, api::Object(std::move(mark))));
    }
  } else if (from < forgotten_) {
    co_return Error(Reason::kExpired, "too old resource version: " + options.resource_version);
  } else {
    for (const auto& change : history_)
      if (change->revision > from) watcher->offer(*change);
  }
  watchers_.push_back(watcher);
  std::unique_ptr<Watch> out = std::make_unique<FakeWatch>(std::move(watcher));
  co_return out;
}

}  // namespace mk::client
