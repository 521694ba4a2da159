#include <fmt/core.h>

#include <algorithm>
#include <memory>

#include "mk/api/resource.h"
#include "mk/base/files.h"
#include "mk/base/log.h"
#include "pods/events.h"
#include "pods/pod_worker.h"
#include "probes/action.h"

// How a pod ends: the part of PodWorker that stops, reports and cleans up.
namespace mk::kubelet {

namespace {
constexpr Log kLog("kubelet");
// How long a pod that was deleted gracefully can at least be read: clients look at what they deleted.
constexpr auto kLinger = std::chrono::milliseconds(100);
constexpr auto kGraceLeast = std::chrono::seconds(2);  // left for the signal whatever the preStop hook took
}  // namespace

rt::Task<bool> PodWorker::interruptible(rt::Task<> work) {
  if (must_stop()) co_return false;
  co_return co_await rt::race(std::move(work), until_must_stop()) == 0;
}

// Keeps the status current while the worker waits for something slow.
rt::Task<> PodWorker::until_must_stop() {
  while (!must_stop()) {
    co_await changed_.wait();
    co_await refresh();
    writer_.request();
  }
}

void PodWorker::set_stop_deadline(rt::Duration grace) {
  const auto deadline = context_.clock.now() + grace;
  if (deadline >= stop_deadline_) return;
  stop_deadline_ = deadline;
  deadline_changed_.notify_all();
}

rt::Task<> PodWorker::terminate() {
  if (pod().deleting() && deleted_at_ == rt::WallTime()) deleted_at_ = context_.clock.now();
  if (!stopped_) {
    const bool forced = removed_ && !pod().deleting();
    const auto grace = evicted_grace_.value_or(grace_period(spec()));
    stop_deadline_ = context_.clock.now() + (forced ? std::chrono::seconds(1) : grace);
    writer_.request();
    co_await stop_all();
    co_await refresh();
    if (snapshot_) (void)co_await context_.runtime.containers->stop_sandbox(snapshot_->sandbox.id);
    co_await prober_.stop();
    co_await refresh();
    waiting_.clear();
    stopped_ = true;
    writer_.request();
  }
  co_await writer_.flush();
  if (!reclaimed_) {
    co_await volume_tasks_.stop();
    co_await reclaim();
  }
  if (removed_ || pod().deleting()) {
    co_await delete_from_api();
  } else if (discard_ && snapshot_) {
    co_await remove_wholly(context_, *snapshot_);
    co_await refresh();
  }
}

rt::Task<> PodWorker::stop_all() {
  if (!snapshot_) co_return;
  auto left = std::make_shared<std::size_t>(0);
  const auto sidecars_later = init_containers(spec());
  const auto is_sidecar = [&](const std::string& name) {
    return std::any_of(sidecars_later.begin(), sidecars_later.end(), [&](const ContainerRef& c) {
      return c.kind == ContainerKind::kSidecar && c.name() == name;
    });
  };
  const auto containers = snapshot_->containers;
  for (const auto& status : containers) {
    if (ended(status) || is_sidecar(status.name)) continue;
    ++*left;
    tasks_.spawn("stop of " + status.id, stop_and_count(status.id, status.name, left));
  }
  while (*left != 0) co_await deadline_changed_.wait();
  // Sidecars serve the others to the end, and go in the reverse of their order.
  for (auto it = sidecars_later.rbegin(); it != sidecars_later.rend(); ++it) {
    if (it->kind != ContainerKind::kSidecar) continue;
    const std::string name(it->name());
    for (const auto& status : containers)
      if (status.name == name && !ended(status))
        co_await stop_one(status.id, name, "Stopping container " + name);
  }
}

rt::Task<> PodWorker::stop_and_count(std::string id, std::string name, std::shared_ptr<std::size_t> left) {
  const std::string message = "Stopping container " + name;
  co_await stop_one(std::move(id), std::move(name), message);
  --*left;
  deadline_changed_.notify_all();
}

rt::Task<> PodWorker::until_stop_deadline() {
  while (context_.clock.now() < stop_deadline_) {
    const auto left = stop_deadline_ - context_.clock.now();
    co_await rt::race(context_.clock.sleep_for(left), deadline_changed_.wait());
  }
}

rt::Task<> PodWorker::run_hook(ActionTarget target, const Json& hook, ActionResult& out) {
  // The hook's own limit is its caller's: the grace period, or until the pod must stop.
  out = co_await run_action(context_, std::move(target), hook, std::chrono::hours(24));
}

rt::Task<> PodWorker::run_pre_stop(std::string id, std::string name) {
  const api::Object pod = this->pod();
  for (const auto& container : all_containers(pod.json())) {
    const Json* hook = container.name() == name ? api::find(*container.spec, "lifecycle.preStop") : nullptr;
    if (hook == nullptr) continue;
    const auto ips = pod_ips();
    ActionTarget target{id, ips.empty() ? "" : ips.front(), &pod.json(), container.spec};
    ActionResult result;
    const auto winner = co_await rt::race(run_hook(std::move(target), *hook, result), until_stop_deadline());
    if (winner == 0 && !result.success)
      context_.events.pod(pod.json(), "Warning", "FailedPreStopHook", "PreStopHook failed: " + result.output,
                          name);
  }
}

namespace {

rt::Task<> stop_container(ContainerRuntime& runtime, std::string id, rt::Duration grace, bool& stopped) {
  auto result = co_await runtime.stop_container(id, grace);
  if (!result.ok()) kLog.warn("cannot stop container", "container", id, "error", result.error().message());
  stopped = true;
}

}  // namespace

// By stop_deadline_, which may come nearer while this runs.
rt::Task<> PodWorker::stop_one(std::string id, std::string name, std::string message) {
  context_.events.pod(spec(), "Normal", "Killing", std::move(message), name);
  co_await run_pre_stop(id, name);
  bool stopped = false;
  while (!stopped) {
    const auto deadline = stop_deadline_;
    const bool forced =
        api::num(spec(), "metadata.deletionGracePeriodSeconds", 1) == 0 || removed_ || evicted_grace_;
    const rt::Duration least =
        forced ? rt::Duration(std::chrono::milliseconds(100)) : rt::Duration(kGraceLeast);
    const auto grace = std::max(deadline - context_.clock.now(), least);
    auto nearer = [](PodWorker& self, rt::WallTime than) -> rt::Task<> {
      while (self.stop_deadline_ >= than) co_await self.deadline_changed_.wait();
    };
    co_await rt::race(stop_container(*context_.runtime.containers, id, grace, stopped),
                      nearer(*this, deadline));
  }
}

rt::Task<> PodWorker::reclaim() {
  auto result = co_await volumes_.tear_down();
  if (!result.ok()) {
    kLog.warn("cannot remove the pod's files, will retry", "pod", pod_key(spec()), "error",
              result.error().message());
    wake_at(context_.clock.now() + std::chrono::seconds(5));
    co_return;
  }
  reclaimed_ = true;
}

// Of all the sandboxes that the pod has had but the newest.
rt::Task<> PodWorker::remove_old_sandboxes() {
  const auto ids = snapshot_->older;
  for (const auto& id : ids) (void)co_await context_.runtime.containers->remove_sandbox(id);
}

rt::Task<> PodWorker::delete_from_api() {
  if (!reclaimed_) co_return;
  if (!removed_ && !writer_.writes_mirror()) {
    const auto until = deleted_at_ + kLinger;
    if (grace_period(spec()) > std::chrono::seconds(0) && context_.clock.now() < until)
      co_return wake_at(until);
    client::DeleteOptions options;
    options.uid = volumes_.paths().uid;
    options.grace_period_seconds = 0;
    auto result = co_await context_.client.remove(api::resources::kPods, pod().key(), options);
    if (!result.ok() && !result.error().is(Reason::kNotFound) && !result.error().is(Reason::kConflict)) {
      kLog.warn("cannot delete the stopped pod, will retry", "pod", pod_key(spec()), "error",
                result.error().message());
      wake_at(context_.clock.now() + std::chrono::seconds(1));
      co_return;
    }
  }
  // Finalizers may keep the object; the node has nothing more to do with it.
  if (snapshot_) co_await remove_wholly(context_, *snapshot_);
  auto work = [logs = volumes_.paths().logs] { (void)remove_tree(logs); };
  co_await context_.pool.run(std::move(work));
  done_ = true;
}

}  // namespace mk::kubelet
