#include "mk/base/log.h"
#include "pods/events.h"
#include "pods/pod_worker.h"
#include "pods/resize.h"
#include "status/container_status.h"

// How a pod's resources change while it runs: the part of PodWorker that grants and applies them.
namespace mk::kubelet {

namespace {
constexpr Log kLog("kubelet");
constexpr auto kRetry = std::chrono::seconds(10);
}  // namespace

api::Object PodWorker::granted_pod() const {
  if (same_amounts(granted_, wanted_resources(spec()))) return pod();
  return api::Object(with_resources(spec(), granted_));
}

rt::Task<bool> PodWorker::sync_resize() {
  decide_resize();
  co_return co_await apply_resize();
}

void PodWorker::decide_resize() {
  Allocation wanted = wanted_resources(spec());
  const bool changed = !same_amounts(granted_, wanted);
  std::optional<ReasonMessage> refused;
  if (changed) {
    const auto held = others ? others() : std::vector<api::Object>();
    std::vector<const Json*> pods;
    for (const auto& object : held) pods.push_back(&object.json());
    refused = check_resize(spec(), pods, context_.allocatable);
  }
  if (refused && (!resize_pending_ || resize_pending_->reason != refused->reason))
    context_.events.pod(spec(), "Warning", "Resize" + refused->reason, refused->message);
  if (refused && refused->reason == "Deferred") wake_at(context_.clock.now() + kRetry);
  if (changed && !refused) context_.events.pod(spec(), "Normal", "ResizeStarted", "Pod resize started");
  if (!refused) granted_ = std::move(wanted);
  resize_pending_ = std::move(refused);
}

// What is in force in a running container: as this kubelet set it, or as an earlier one told the API.
Json PodWorker::actual_resources(const ContainerStatus& status) const {
  if (const auto known = actual_.find(status.id); known != actual_.end()) return known->second;
  for (std::string_view field : {"status.containerStatuses", "status.initContainerStatuses"}) {
    const Json* old = find_named(api::list(spec(), field), status.name);
    if (old == nullptr || api::str(*old, "containerID") != "mk://" + status.id) continue;
    if (const Json* shown = api::find(*old, "resources")) return *shown;
  }
  const auto granted = granted_.find(status.name);
  return granted == granted_.end() ? Json(JsonObject{}) : granted->second;
}

// Running containers that do not have what was granted, and their names.
std::vector<std::pair<ContainerStatus, std::string>> PodWorker::unresized() const {
  std::vector<std::pair<ContainerStatus, std::string>> out;
  if (!snapshot_ || !snapshot_->sandbox.ready) return out;
  for (const auto& [name, target] : granted_) {
    const auto* status = latest(*snapshot_, name, snapshot_->sandbox.id);
    if (status == nullptr || status->state != ContainerState::kRunning) continue;
    if (!same_amounts(actual_resources(*status), target)) out.emplace_back(*status, name);
  }
  return out;
}

// True when the container was stopped to start anew.
rt::Task<bool> PodWorker::resize_one(const ContainerStatus& status, const Json& container,
                                     const Json& target) {
  if (restarts_for(container, actual_resources(status), target)) {
    must_restart_.insert(status.id);
    stop_deadline_ = context_.clock.now() + grace_period(spec());
    co_await stop_one(status.id, status.name, "Container " + status.name + " resize requires restart");
    stop_deadline_ = {};
    co_return true;
  }
  const Json resized = JsonObject{{"resources", target}};
  auto done = co_await context_.runtime.containers->update_resources(status.id, container_resources(resized));
  if (done.ok())
    actual_[status.id] = target;
  else
    resize_error_ = done.error().message();
  co_return false;
}

// The pod's group is first made wide enough for before and after, and narrowed when its containers are there.
rt::Task<bool> PodWorker::apply_resize() {
  const auto todo = unresized();
  if (todo.empty()) co_return false;
  resize_error_.clear();
  Allocation before = granted_;
  for (const auto& [status, name] : todo) before[name] = actual_resources(status);
  const Allocation after = granted_;
  const api::Object pod = granted_pod();
  const auto group = snapshot_->sandbox.id;
  auto& runtime = *context_.runtime.containers;
  const LinuxResources target = pod_resources(pod.json());
  const LinuxResources room = widest(pod_resources(with_resources(spec(), before)), target);
  auto widened = co_await runtime.update_sandbox_resources(group, room);
  if (!widened.ok()) resize_error_ = widened.error().message();
  bool stopped = false;
  for (const auto& [status, name] : todo) {
    for (const auto& container : all_containers(pod.json()))
      if (container.name() == name && resize_error_.empty())
        stopped = co_await resize_one(status, *container.spec, after.at(name)) || stopped;
  }
  if (resize_error_.empty()) {
    auto narrowed = co_await runtime.update_sandbox_resources(group, target);
    if (!narrowed.ok()) resize_error_ = narrowed.error().message();
  }
  if (resize_error_.empty()) {
    context_.events.pod(spec(), "Normal", "ResizeCompleted", "Pod resize completed");
  } else {
    kLog.warn("cannot resize a pod, will retry", "pod", pod_key(spec()), "error", resize_error_);
    context_.events.pod(spec(), "Warning", "ResizeError", resize_error_);
    wake_at(context_.clock.now() + kRetry);
  }
  writer_.request();
  co_return stopped;
}

void PodWorker::add_resize(const Json& pod, StatusInputs& inputs) const {
  inputs.granted = granted_;
  const auto todo = unresized();
  for (const auto& [status, name] : todo) inputs.actual[name] = actual_resources(status);
  if (must_stop() || finished_) return;
  inputs.resize_pending = resize_pending_;
  const bool undecided = !resize_pending_ && !same_amounts(granted_, wanted_resources(pod));
  if (!undecided && todo.empty()) return;
  inputs.resize_running = ReasonMessage{resize_error_.empty() ? "" : "Error", resize_error_};
}

}  // namespace mk::kubelet
