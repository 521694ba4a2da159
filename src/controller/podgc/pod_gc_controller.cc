#include "podgc/pod_gc_controller.h"

#include <algorithm>

#include "kit/objects.h"

namespace mk::controller {

using api::resources::kNodes;
using api::resources::kPods;
namespace {
constexpr std::size_t kFinishedMost = 12500;
constexpr auto kPeriod = std::chrono::seconds(20);
constexpr auto kQuarantine = std::chrono::seconds(40);
const api::Key kTick("", "all");
}  // namespace

PodGcController::PodGcController(Context& context_)
    : Controller(context_, "pod-garbage-collector", 1), pods_(cache(kPods)), nodes_(cache(kNodes)) {}

void PodGcController::start() {
  Controller::start();
  enqueue(kTick);
}

std::vector<api::Object> excess_finished(std::vector<api::Object> pods, std::size_t keep) {
  std::erase_if(pods, [](const api::Object& pod) { return !pod_finished(pod.json()) || pod.deleting(); });
  if (pods.size() <= keep) return {};
  std::sort(pods.begin(), pods.end(), [](const api::Object& a, const api::Object& b) {
    return std::pair(created_at(a), a.name()) < std::pair(created_at(b), b.name());
  });
  pods.resize(pods.size() - keep);
  return pods;
}

rt::Task<Result<void>> PodGcController::reconcile(api::Key) {
  enqueue_after(kTick, kPeriod);
  std::set<std::string> named;
  const auto pods = pods_.all();
  for (const auto& pod : pods) {
    const std::string node(api::str(pod.json(), "spec.nodeName"));
    if (node.empty()) {
      if (pod.deleting()) MK_CO_TRY(co_await remove(pod, false));
      continue;
    }
    if (nodes_.get(api::Key("", node))) continue;
    named.insert(node);
    const auto since = missing_.emplace(node, clock().mono()).first->second;
    if (clock().mono() - since < kQuarantine) continue;
    const auto live = co_await client().get(kNodes, api::Key("", node));
    if (!live.ok() && live.error().is(Reason::kNotFound)) MK_CO_TRY(co_await remove(pod, true));
  }
  std::erase_if(missing_, [&named](const auto& entry) { return named.count(entry.first) == 0; });
  for (const auto& pod : excess_finished(pods, kFinishedMost)) MK_CO_TRY(co_await remove(pod, false));
  co_return ok();
}

// `failed`: nobody can tell any more how the pod ended; its owner must see that it did.
rt::Task<Result<void>> PodGcController::remove(api::Object pod, bool failed) {
  if (failed && !pod_finished(pod.json())) {
    api::Json marked = pod.json();
    api::set(marked, "status.phase", "Failed");
    set_condition(marked,
                  Condition("DisruptionTarget", "True", "DeletionByPodGC", "PodGC: node no longer exists"),
                  clock().now());
    auto done =
        co_await client().update(kPods, api::Object(std::move(marked)), "status", client::WriteOptions());
    if (!done.ok() && !done.error().is(Reason::kNotFound)) co_return std::move(done).error();
  }
  client::DeleteOptions options;
  options.uid = pod.uid();
  options.grace_period_seconds = 0;
  auto gone = co_await client().remove(kPods, pod.key(), std::move(options));
  if (gone.ok() || gone.error().is(Reason::kNotFound)) co_return ok();
  co_return std::move(gone).error();
}

}  // namespace mk::controller
