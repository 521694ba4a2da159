#include "pods/events.h"

#include <fmt/core.h>

#include "mk/api/resource.h"
#include "mk/base/ids.h"

namespace mk::kubelet {

namespace {
constexpr std::size_t kQueueMax = 1000;
constexpr std::size_t kSeenMax = 4096;  // then counting starts anew
}  // namespace

EventRecorder::EventRecorder(client::Client& client, rt::Clock& clock, std::string node_name)
    : client_(client), clock_(clock), node_name_(std::move(node_name)) {}

void EventRecorder::start(rt::Group& group) {
  group.spawn("kubelet events", run());
}

void EventRecorder::pod(const Json& pod, std::string_view type, std::string_view reason, std::string message,
                        std::string_view container) {
  JsonObject involved{{"kind", "Pod"}, {"apiVersion", "v1"}};
  for (std::string_view field : {"namespace", "name", "uid", "resourceVersion"})
    involved[field] = text(api::str(pod, "metadata." + std::string(field)));
  for (const auto& candidate : all_containers(pod)) {
    if (container.empty() || candidate.name() != container) continue;
    const bool init = candidate.kind == ContainerKind::kInit || candidate.kind == ContainerKind::kSidecar;
    const char* list = init                                          ? "initContainers"
                       : candidate.kind == ContainerKind::kEphemeral ? "ephemeralContainers"
                                                                     : "containers";
    involved["fieldPath"] = text(fmt::format("spec.{}{{{}}}", list, container));
  }
  push({fmt::format("{}|{}|{}|{}", api::str(pod, "metadata.uid"), container, reason, message),
        std::string(api::str(pod, "metadata.namespace")), std::move(involved), std::string(type),
        std::string(reason), std::move(message), clock_.now()});
}

void EventRecorder::node(std::string_view type, std::string_view reason, std::string message) {
  JsonObject involved{{"kind", "Node"}, {"name", text(node_name_)}, {"uid", text(node_name_)}};
  push({fmt::format("node|{}|{}", reason, message), "default", std::move(involved), std::string(type),
        std::string(reason), std::move(message), clock_.now()});
}

void EventRecorder::push(Pending event) {
  if (queue_.size() >= kQueueMax) return;
  queue_.push_back(std::move(event));
  changed_.notify_one();
}

rt::Task<> EventRecorder::run() {
  while (true) {
    while (queue_.empty()) co_await changed_.wait();
    Pending next = std::move(queue_.front());
    queue_.pop_front();
    co_await write(std::move(next));
  }
}

Json EventRecorder::make_event(const Pending& event, const Seen& seen) const {
  JsonObject out{{"apiVersion", "v1"}, {"kind", "Event"}};
  out["metadata"] = JsonObject{{"name", text(seen.name)}, {"namespace", text(event.ns)}};
  out["involvedObject"] = event.involved;
  out["reason"] = text(event.reason);
  out["message"] = text(event.message);
  out["type"] = text(event.type);
  out["source"] = JsonObject{{"component", "kubelet"}, {"host", text(node_name_)}};
  out["reportingComponent"] = "kubelet";
  out["reportingInstance"] = text(node_name_);
  out["firstTimestamp"] = text(seen.first);
  out["lastTimestamp"] = text(rt::format_time(event.when));
  out["count"] = seen.count;
  return out;
}

rt::Task<> EventRecorder::write(Pending event) {
  if (seen_.size() > kSeenMax) seen_.clear();
  Seen& entry = seen_[event.key];
  entry.count++;
  const std::string now = rt::format_time(event.when);
  if (entry.count > 1) {
    JsonObject change{{"count", entry.count}, {"lastTimestamp", text(now)}};
    const api::Key key(event.ns, entry.name);
    client::WriteOptions options;
    auto patched = co_await client_.patch(api::resources::kEvents, key, "", client::PatchType::kMerge,
                                          Json(std::move(change)), options);
    if (patched.ok() || !patched.error().is(Reason::kNotFound)) co_return;
  }
  // Looked up again: other events may have cleared the table meanwhile.
  Seen& fresh = seen_[event.key];
  const auto about = api::str(event.involved, "name");
  fresh.name = fmt::format("{}.{}", about, random_token(16));
  fresh.first = now;
  fresh.count = 1;
  api::Object object(make_event(event, fresh));
  client::WriteOptions options;
  (void)co_await client_.create(api::resources::kEvents, event.ns, std::move(object), options);
}

}  // namespace mk::kubelet
