#include "nodelifecycle/taint_eviction_controller.h"

#include <boost/json/array.hpp>

#include "kit/objects.h"
#include "nodelifecycle/node_health.h"
#include "nodelifecycle/node_lifecycle_controller.h"

namespace mk::controller {

using api::resources::kPods;

TaintEvictionController::TaintEvictionController(Context& context_)
    : Controller(context_, "node-controller"),
      pods_(context_.informers.indexed(kPods, kByNode, node_index)),
      nodes_(watch(api::resources::kNodes, [this](const api::Object& before, const api::Object& after) {
        return pods_of_node(before, after);
      })) {
  watch(kPods, [](const api::Object& before, const api::Object& after) {
    const auto news = [](const api::Object& pod) {
      return std::pair(api::str(pod.json(), "spec.nodeName"), &api::list(pod.json(), "spec.tolerations"));
    };
    if (!after) return Keys();
    if (before) {
      const auto [old_node, old_tolerations] = news(before);
      const auto [new_node, new_tolerations] = news(after);
      if (old_node == new_node && *old_tolerations == *new_tolerations) return Keys();
    }
    return self(before, after);
  });
}

Controller::Keys TaintEvictionController::pods_of_node(const api::Object& before, const api::Object& after) {
  Keys keys;
  if (!after || (before && api::list(before.json(), "spec.taints") == api::list(after.json(), "spec.taints")))
    return keys;
  for (const auto& pod : pods_.by_index(kByNode, std::string(after.name()))) keys.push_back(pod.key());
  return keys;
}

rt::Task<Result<void>> TaintEvictionController::reconcile(api::Key key) {
  const auto pod = pods_.get(key);
  if (!pod || pod.deleting() || pod_finished(pod.json())) {
    seen_.erase(key);
    co_return ok();
  }
  const auto node = nodes_.get(api::Key("", std::string(api::str(pod.json(), "spec.nodeName"))));
  if (!node) co_return ok();
  auto& seen = seen_[key];
  if (seen.uid != pod.uid()) seen = Seen{std::string(pod.uid()), clock().now()};
  const auto left =
      node_health::time_left(pod.json(), api::list(node.json(), "spec.taints"), seen.since, clock().now());
  if (!left) {
    seen_.erase(key);
    co_return ok();
  }
  if (*left > rt::Duration(0)) {
    enqueue_after(key, *left);
    co_return ok();
  }
  event(pod, "Normal", "TaintManagerEviction", "Marking for deletion Pod " + key.str());
  api::Json marked = pod.json();
  set_condition(marked,
                Condition("DisruptionTarget", "True", "DeletionByTaintManager",
                          "Taint manager: deleting due to NoExecute taint"),
                clock().now());
  auto noted =
      co_await client().update(kPods, api::Object(std::move(marked)), "status", client::WriteOptions());
  if (!noted.ok() && !noted.error().is(Reason::kNotFound)) co_return std::move(noted).error();
  client::DeleteOptions options;
  options.uid = pod.uid();
  auto gone = co_await client().remove(kPods, key, std::move(options));
  if (gone.ok() || gone.error().is(Reason::kNotFound)) co_return ok();
  co_return std::move(gone).error();
}

}  // namespace mk::controller
