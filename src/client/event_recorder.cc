#include "mk/client/event_recorder.h"

#include <fmt/core.h>

#include <list>
#include <unordered_map>

#include "mk/api/resource.h"
#include "mk/base/log.h"
#include "mk/rt/channel.h"

namespace mk::client {
namespace {

constexpr Log kLog("client");
constexpr std::size_t kQueueMax = 1000;
constexpr std::size_t kRememberedMax = 4096;
constexpr std::size_t kMessageMax = 1024;
constexpr auto kAggregate = std::chrono::minutes(10);
constexpr double kBurst = 25;
constexpr double kRefillPerSecond = 1.0 / 300;

struct Occurrence {
  Occurrence() = default;
  api::Json involved;
  std::string type, reason, message;
  rt::WallTime when;
};

// A map that forgets what was not used for the longest time.
template <class Value>
class Recent {
 public:
  Value& get(const std::string& key) {
    const auto found = places_.find(key);
    if (found != places_.end()) {
      order_.splice(order_.begin(), order_, found->second);
      return order_.front().second;
    }
    if (order_.size() >= kRememberedMax) {
      places_.erase(order_.back().first);
      order_.pop_back();
    }
    order_.emplace_front(key, Value());
    places_[key] = order_.begin();
    return order_.front().second;
  }

 private:
  std::list<std::pair<std::string, Value>> order_;
  std::unordered_map<std::string, typename std::list<std::pair<std::string, Value>>::iterator> places_;
};

struct Written {
  std::string name;  // of the Event; "" when there is none
  std::int64_t count = 0;
  rt::WallTime last;
};

struct Bucket {
  double tokens = kBurst;
  rt::MonoTime since;
  bool used = false;
};

std::string object_key(const api::Json& involved) {
  std::string out;
  for (const char* field : {"apiVersion", "kind", "namespace", "name", "uid", "fieldPath"})
    out.append(api::str(involved, field)).push_back('\n');
  return out;
}

std::string event_namespace(const api::Json& involved) {
  const auto ns = api::str(involved, "namespace");
  return ns.empty() ? "default" : std::string(ns);
}

}  // namespace

struct EventRecorder::State {
  State(Client& client_, rt::Clock& clock_, std::string component_, std::string host_)
      : client(client_), clock(clock_), component(std::move(component_)), host(std::move(host_)) {}

  Client& client;
  rt::Clock& clock;
  std::string component, host;
  rt::Channel<Occurrence> queue;
  Recent<Written> written;
  Recent<Bucket> buckets;
  std::int64_t last_stamp = 0;

  bool allowed(const std::string& about);
  api::Json make_event(const Occurrence& event, const std::string& name) const;
  static rt::Task<> write(std::shared_ptr<State> state, Occurrence event);
};

bool EventRecorder::State::allowed(const std::string& about) {
  Bucket& bucket = buckets.get(about);
  const auto now = clock.mono();
  if (bucket.used) {
    const double seconds = std::chrono::duration<double>(now - bucket.since).count();
    bucket.tokens = std::min(kBurst, bucket.tokens + seconds * kRefillPerSecond);
  }
  bucket.used = true;
  bucket.since = now;
  if (bucket.tokens < 1) return false;
  bucket.tokens -= 1;
  return true;
}

api::Json EventRecorder::State::make_event(const Occurrence& event, const std::string& name) const {
  const auto time = api::text(rt::format_time(event.when));
  api::JsonObject source{{"component", api::text(component)}};
  if (!host.empty()) source["host"] = api::text(host);
  return api::JsonObject{
      {"apiVersion", "v1"},
      {"kind", "Event"},
      {"metadata",
       api::JsonObject{{"name", api::text(name)}, {"namespace", api::text(event_namespace(event.involved))}}},
      {"involvedObject", event.involved},
      {"type", api::text(event.type)},
      {"reason", api::text(event.reason)},
      {"message", api::text(event.message)},
      {"count", 1},
      {"firstTimestamp", time},
      {"lastTimestamp", time},
      {"eventTime", nullptr},
      {"source", std::move(source)},
      {"reportingComponent", api::text(component)},
      {"reportingInstance", api::text(host)}};
}

rt::Task<> EventRecorder::State::write(std::shared_ptr<State> state, Occurrence event) {
  const std::string ns = event_namespace(event.involved);
  const std::string key =
      object_key(event.involved) + event.type + "\n" + event.reason + "\n" + event.message;
  const Written known = state->written.get(key);
  if (!known.name.empty() && event.when - known.last < kAggregate) {
    const Written next{known.name, known.count + 1, event.when};
    api::JsonObject patch{{"count", next.count}, {"lastTimestamp", api::text(rt::format_time(event.when))}};
    auto patched = co_await state->client.patch(api::resources::kEvents, api::Key(ns, known.name), "",
                                                PatchType::kMerge, std::move(patch), {});
    if (patched.ok()) state->written.get(key) = next;
    if (patched.ok() || !patched.error().is(Reason::kNotFound)) co_return;  // gone: events live for an hour
  }
  // Like the time, but never the same twice.
  state->last_stamp = std::max<std::int64_t>(event.when.time_since_epoch().count(), state->last_stamp + 1);
  const std::string name = fmt::format("{}.{:x}", api::str(event.involved, "name"), state->last_stamp);
  auto created = co_await state->client.create(api::resources::kEvents, ns,
                                               api::Object(state->make_event(event, name)), {});
  if (created.ok()) {
    state->written.get(key) = Written{name, 1, event.when};
  } else {
    kLog.debug("event not written", "reason", event.reason, "error", created.error().message());
  }
}

EventRecorder::EventRecorder(Client& client, rt::Clock& clock, rt::Group& group, std::string component,
                             std::string host)
    : state_(std::make_shared<State>(client, clock, std::move(component), std::move(host))) {
  group.spawn("event recorder", run(state_));
}

EventRecorder::~EventRecorder() {
  state_->queue.close();
}

rt::Task<> EventRecorder::run(std::shared_ptr<State> state) {
  for (;;) {
    auto next = co_await state->queue.pop();
    if (!next) co_return;
    co_await State::write(state, std::move(*next));
  }
}

api::Json EventRecorder::reference(const api::Object& object, const std::string& field_path) {
  api::JsonObject out{{"kind", api::text(object.kind())},
                      {"name", api::text(object.name())},
                      {"uid", api::text(object.uid())},
                      {"apiVersion", api::text(object.api_version())},
                      {"resourceVersion", api::text(object.resource_version())}};
  if (!object.ns().empty()) out["namespace"] = api::text(object.ns());
  if (!field_path.empty()) out["fieldPath"] = api::text(field_path);
  return out;
}

void EventRecorder::normal(const api::Object& about, std::string reason, std::string message) {
  record(reference(about), "Normal", std::move(reason), std::move(message));
}

void EventRecorder::warning(const api::Object& about, std::string reason, std::string message) {
  record(reference(about), "Warning", std::move(reason), std::move(message));
}

void EventRecorder::record(api::Json involved, std::string type, std::string reason, std::string message) {
  if (state_->queue.size() >= kQueueMax || !state_->allowed(object_key(involved))) return;
  if (message.size() > kMessageMax) message.resize(kMessageMax);
  Occurrence event;
  event.involved = std::move(involved);
  event.type = std::move(type);
  event.reason = std::move(reason);
  event.message = std::move(message);
  event.when = state_->clock.now();
  state_->queue.push(std::move(event));
}

}  // namespace mk::client
