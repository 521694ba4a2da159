#include "scheduler_impl.h"

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "mk/base/log.h"
#include "mk/base/strings.h"

namespace mk::scheduler {
namespace {
constexpr Log kLog("scheduler");
constexpr char kName[] = "default-scheduler";

bool ours(const api::Object& pod) {
  return api::str(pod.json(), "spec.schedulerName", kName) == kName;
}
bool placed(const api::Object& pod) {
  return pod && !api::str(pod.json(), "spec.nodeName").empty();
}
bool finished(const api::Object& pod) {
  const auto phase = api::str(pod.json(), "status.phase");
  return phase == "Succeeded" || phase == "Failed";
}

bool any_plugin_helps(const Plugins& plugins, const std::set<std::string>& names, const ClusterEvent& event) {
  for (const auto& plugin : plugins) {
    if (names.count(plugin->name()) != 0 && plugin->may_help(event)) return true;
  }
  return false;
}
}  // namespace

ClusterEvent node_event(const api::Object& before, const api::Object& after) {
  ClusterEvent event;
  if (!before) {
    event.kind = ClusterEvent::Kind::kNodeAdded;
    return event;
  }
  const auto& old_node = before.json();
  const auto& new_node = after.json();
  event.labels = api::object(old_node, "metadata.labels") != api::object(new_node, "metadata.labels");
  event.taints = api::list(old_node, "spec.taints") != api::list(new_node, "spec.taints") ||
                 api::flag(old_node, "spec.unschedulable") != api::flag(new_node, "spec.unschedulable");
  event.allocatable =
      api::object(old_node, "status.allocatable") != api::object(new_node, "status.allocatable");
  // A heartbeat changes none of these and wakes nobody.
  const bool news = event.labels || event.taints || event.allocatable;
  event.kind = news ? ClusterEvent::Kind::kNodeChanged : ClusterEvent::Kind::kOther;
  return event;
}

SchedulerImpl::SchedulerImpl(rt::Loop& loop, rt::Clock& clock, rt::Random& random, client::Client& client)
    : clock_(clock),
      client_(client),
      book_(client, clock, random),
      plugins_(default_plugins(&book_)),
      cache_(clock),
      queue_(clock, [this](const std::set<std::string>& names,
                           const ClusterEvent& event) { return any_plugin_helps(plugins_, names, event); }),
      schedule_one_(plugins_, cache_, random),
      pods_(client, clock, random, api::resources::kPods, "", client::ListOptions()),
      nodes_(client, clock, random, api::resources::kNodes, "", client::ListOptions()),
      services_(client, clock, random, api::resources::kServices, "", client::ListOptions()),
      namespaces_(client, clock, random, api::resources::kNamespaces, "", client::ListOptions()),
      group_(loop.executor()),
      recorder_(client, clock, group_, kName, "") {
  wire();
}

void SchedulerImpl::wire() {
  cache_.namespace_labels_source = [this](const std::string& ns) {
    const auto object = namespaces_.get(api::Key("", ns));
    return object ? api::object(object.json(), "metadata.labels") : api::JsonObject();
  };
  cache_.service_selectors_source = [this](const PodInfo& pod) { return service_selectors(pod); };
  book_.on_change([this] {
    ClusterEvent event;
    event.kind = ClusterEvent::Kind::kVolumesChanged;
    queue_.happened(event);
  });
  nodes_.on_change(
      [this](const api::Object& before, const api::Object& after) { node_changed(before, after); });
  pods_.on_change(
      [this](const api::Object& before, const api::Object& after) { pod_changed(before, after); });
}

rt::Task<> SchedulerImpl::start() {
  for (auto* informer : {&nodes_, &namespaces_, &services_}) informer->start(group_);
  book_.start(group_);
  for (auto* informer : {&nodes_, &namespaces_, &services_}) co_await informer->wait_synced();
  co_await book_.wait_synced();
  pods_.start(group_);
  co_await pods_.wait_synced();
  group_.spawn("schedule", schedule_loop());
  group_.spawn("scheduler ticks", tick_loop());
}

rt::Task<> SchedulerImpl::stop() {
  co_await group_.stop();
}

std::vector<api::LabelSelector> SchedulerImpl::service_selectors(const PodInfo& pod) {
  std::vector<api::LabelSelector> found;
  for (const auto& service : services_.in_namespace(pod.key.ns)) {
    const auto& labels = api::object(service.json(), "spec.selector");
    if (labels.empty()) continue;
    auto selector = api::LabelSelector::from_map(labels);
    if (selector.matches(pod.labels)) found.push_back(std::move(selector));
  }
  return found;
}

void SchedulerImpl::node_changed(const api::Object& before, const api::Object& after) {
  if (!after) {
    cache_.remove_node(std::string(before.name()));
    return;
  }
  cache_.set_node(after);
  const auto event = node_event(before, after);
  if (event.kind != ClusterEvent::Kind::kOther) queue_.happened(event);
}

void SchedulerImpl::renominate(const PodPtr& pod, bool present) {
  for (auto it = nominated_.begin(); it != nominated_.end();) {
    std::erase_if(it->second, [&pod](const PodPtr& other) { return other->uid == pod->uid; });
    it = it->second.empty() ? nominated_.erase(it) : std::next(it);
  }
  if (present && !pod->nominated_node.empty()) nominated_[pod->nominated_node].push_back(pod);
}

void SchedulerImpl::pod_gone(const api::Object& pod) {
  const std::string uid(pod.uid());
  queue_.remove(uid);
  unreserve(uid);
  cache_.remove_pod(uid);
  auto info = std::make_shared<PodInfo>();
  info->uid = uid;
  renominate(info, false);
  ClusterEvent event;
  event.kind = ClusterEvent::Kind::kPodRemoved;
  queue_.happened(event);
}

void SchedulerImpl::pod_placed(const api::Object& before, const PodPtr& pod) {
  queue_.done(pod->uid);
  renominate(pod, false);
  const bool was_placed = placed(before);
  cache_.set_pod(pod);
  ClusterEvent event;
  event.kind = was_placed ? ClusterEvent::Kind::kPodChanged : ClusterEvent::Kind::kPodAdded;
  if (was_placed) {
    // Status changes make no room; labels, requests (resize) and the beginning of the end may.
    const auto* old_spec = api::find(before.json(), "spec");
    const auto* new_spec = api::find(pod->object.json(), "spec");
    const bool same = old_spec && new_spec && *old_spec == *new_spec &&
                      before.deleting() == pod->terminating &&
                      api::object(before.json(), "metadata.labels") == pod->labels;
    if (same) return;
  }
  queue_.happened(event);
}

void SchedulerImpl::pod_changed(const api::Object& before, const api::Object& after) {
  if (!after || finished(after)) {
    if (!before || !finished(before))
      pod_gone(after ? after : before);
    else if (!after)
      cache_.remove_pod(std::string(before.uid()));
    return;
  }
  // A pod of the same name under another uid: the old one is gone.
  if (before && before.uid() != after.uid()) pod_gone(before);
  auto pod = make_pod_info(after);
  if (placed(after)) {
    pod_placed(before, pod);
  } else if (ours(after) && !after.deleting()) {
    if (cache_.assumed(pod->uid)) return;  // on its way to a node
    queue_.add(pod);
    renominate(pod, true);
  } else {
    queue_.remove(pod->uid);
    renominate(pod, false);
  }
}

rt::Task<> SchedulerImpl::tick_loop() {
  while (true) {
    co_await queue_.wait_due(std::chrono::seconds(2));
    queue_.tick();
    for (const auto& pod : cache_.expire()) kLog.warn("binding was never seen", "pod", pod->key.str());
  }
}

rt::Task<> SchedulerImpl::schedule_loop() {
  while (true) {
    const auto pod = co_await queue_.pop();
    auto decision = schedule_one_.decide(pod, nominated_);
    if (!decision.node.empty()) {
      const auto reserved = reserve(*pod, decision.node);
      if (!reserved.ok()) {
        refused(pod, "running Reserve plugins: " + join(reserved.reasons, ", "));
        continue;
      }
      auto assumed = std::make_shared<PodInfo>(*pod);
      assumed->node = decision.node;
      cache_.assume(assumed);
      group_.spawn("bind", bind(pod, decision.node));
    } else {
      auto preemption = plan_preemption(plugins_, cache_, pod, decision.diagnosis, nominated_);
      group_.spawn("unschedulable", failed(pod, std::move(decision.diagnosis), std::move(preemption)));
    }
    co_await rt::yield();
  }
}

Status SchedulerImpl::reserve(const PodInfo& pod, const std::string& node) {
  const auto* info = cache_.node(node);
  for (const auto& plugin : plugins_) {
    auto status = plugin->reserve(pod, *info);
    if (status.ok()) continue;
    unreserve(pod.uid);
    return status;
  }
  return Status::success();
}

void SchedulerImpl::unreserve(const std::string& uid) {
  for (const auto& plugin : plugins_) plugin->unreserve(uid);
}

// What went wrong after a node was found may go right soon.
void SchedulerImpl::refused(const PodPtr& pod, std::string message) {
  kLog.warn("not scheduled", "pod", pod->key.str(), "error", message);
  recorder_.warning(pod->object, "FailedScheduling", std::move(message));
  queue_.put_back(pod, {});
}

rt::Task<Result<void>> SchedulerImpl::pre_bind(PodPtr pod) {
  for (const auto& plugin : plugins_) {
    if (!plugin->has_pre_bind(*pod)) continue;
    auto done = co_await plugin->pre_bind(pod);
    if (!done.ok())
      co_return std::move(done).error().wrap(fmt::format("running PreBind plugin \"{}\"", plugin->name()));
  }
  co_return ok();
}

rt::Task<> SchedulerImpl::bind(PodPtr pod, std::string node) {
  auto ready = co_await pre_bind(pod);
  if (!ready.ok()) {
    cache_.forget(pod->uid);
    unreserve(pod->uid);
    if (queue_.contains(pod->uid)) refused(pod, std::string(ready.error().message()));
    co_return;
  }
  api::JsonObject target;
  target["apiVersion"] = "v1";
  target["kind"] = "Node";
  target["name"] = node;
  api::JsonObject metadata;
  metadata["name"] = pod->key.name;
  metadata["namespace"] = pod->key.ns;
  metadata["uid"] = pod->uid;
  api::JsonObject binding;
  binding["apiVersion"] = "v1";
  binding["kind"] = "Binding";
  binding["metadata"] = std::move(metadata);
  binding["target"] = std::move(target);
  api::Object object{api::Json(std::move(binding))};
  auto done =
      co_await client_.create_subresource(api::resources::kPods, pod->key, "binding", std::move(object));
  unreserve(pod->uid);
  if (done.ok()) {
    cache_.confirm_later(pod->uid);
    queue_.done(pod->uid);
    recorder_.normal(pod->object, "Scheduled",
                     fmt::format("Successfully assigned {} to {}", pod->key.str(), node));
    co_return;
  }
  cache_.forget(pod->uid);
  if (done.error().is(Reason::kNotFound)) {
    queue_.done(pod->uid);
    co_return;
  }
  refused(pod, "running Bind plugin: " + std::string(done.error().message()));
}

rt::Task<> SchedulerImpl::failed(PodPtr pod, Diagnosis diagnosis, Preemption preemption) {
  auto message = diagnosis.message();
  if (diagnosis.nodes > 0 && !preemption.message.empty()) message += " preemption: " + preemption.message;
  // No node at all: the first one helps.
  auto plugins = diagnosis.plugins;
  if (plugins.empty()) plugins.insert("NodeName");
  // Reserves the room before anything is awaited, so that no other pod takes it.
  if (!preemption.node.empty()) {
    auto nominee = std::make_shared<PodInfo>(*pod);
    nominee->nominated_node = preemption.node;
    renominate(nominee, true);
  }
  queue_.put_back(pod, std::move(plugins));
  recorder_.warning(pod->object, "FailedScheduling", message);
  if (!preemption.node.empty()) co_await evict(pod, preemption);
  auto noted = co_await note_unschedulable(pod, "Unschedulable", message, preemption.node);
  if (!noted.ok() && !noted.error().is(Reason::kNotFound)) {
    kLog.warn("could not note why a pod waits", "pod", pod->key.str(), "error", noted.error().message());
  }
}

namespace {
api::Json condition_patch(const std::string& type, const std::string& status, const std::string& reason,
                          const std::string& message, const std::string& now) {
  api::JsonObject condition;
  condition["type"] = type;
  condition["status"] = status;
  condition["reason"] = reason;
  condition["message"] = message;
  condition["lastTransitionTime"] = now;
  api::JsonArray conditions;
  conditions.push_back(std::move(condition));
  api::Json patch{api::JsonObject()};
  api::set(patch, "status.conditions", std::move(conditions));
  return patch;
}

const api::Json* condition_of(const api::Json& pod, std::string_view type) {
  for (const auto& condition : api::list(pod, "status.conditions")) {
    if (api::str(condition, "type") == type) return &condition;
  }
  return nullptr;
}
}  // namespace

// The patch is written only when it says something new: a waiting pod costs no writes.
rt::Task<Result<void>> SchedulerImpl::note_unschedulable(PodPtr pod, std::string reason, std::string message,
                                                         std::string nominated) {
  const auto current = pods_.get(pod->key);
  if (!current || current.uid() != pod->uid) co_return ok();
  const auto* present = condition_of(current.json(), "PodScheduled");
  const bool same = present && api::str(*present, "status") == "False" &&
                    api::str(*present, "reason") == reason && api::str(*present, "message") == message;
  const bool same_node =
      nominated.empty() || api::str(current.json(), "status.nominatedNodeName") == nominated;
  if (same && same_node) co_return ok();
  const bool was_false = present && api::str(*present, "status") == "False";
  const auto since =
      was_false ? std::string(api::str(*present, "lastTransitionTime")) : rt::format_time(clock_.now());
  auto patch = condition_patch("PodScheduled", "False", reason, message, since);
  api::set(patch, "metadata.uid", api::text(pod->uid));
  if (!nominated.empty()) api::set(patch, "status.nominatedNodeName", api::text(nominated));
  auto done =
      co_await client_.patch(api::resources::kPods, pod->key, "status", client::PatchType::kStrategicMerge,
                             std::move(patch), client::WriteOptions());
  if (!done.ok()) co_return std::move(done).error();
  co_return ok();
}

// Victims learn why (condition DisruptionTarget) before they are asked to leave.
rt::Task<> SchedulerImpl::evict(PodPtr pod, Preemption preemption) {
  for (const auto& victim : preemption.victims) {
    if (victim->terminating) continue;
    auto patch = condition_patch("DisruptionTarget", "True", "PreemptionByScheduler",
                                 fmt::format("{}: preempting to accommodate a higher priority pod", kName),
                                 rt::format_time(clock_.now()));
    api::set(patch, "metadata.uid", api::text(victim->uid));
    auto marked =
        co_await client_.patch(api::resources::kPods, victim->key, "status",
                               client::PatchType::kStrategicMerge, std::move(patch), client::WriteOptions());
    if (!marked.ok()) continue;  // gone already, or the next round tries again
    client::DeleteOptions options;
    options.uid = victim->uid;
    auto gone = co_await client_.remove(api::resources::kPods, victim->key, std::move(options));
    if (!gone.ok() && !gone.error().is(Reason::kNotFound)) {
      kLog.warn("preemption failed", "victim", victim->key.str(), "error", gone.error().message());
      continue;
    }
    recorder_.normal(victim->object, "Preempted",
                     fmt::format("Preempted by pod {} on node {}", pod->uid, preemption.node));
  }
}

std::unique_ptr<Scheduler> make_scheduler(rt::Loop& loop, rt::Clock& clock, rt::Random& random,
                                          client::Client& client) {
  return std::make_unique<SchedulerImpl>(loop, clock, random, client);
}

}  // namespace mk::scheduler
