#include "replicaset/replicaset_controller.h"

#include <algorithm>

#include "kit/objects.h"
#include "kit/pod_rank.h"

namespace mk::controller {

using replicaset::Plan;

ReplicaSetController::Variant ReplicaSetController::replica_sets() {
  return {"replicaset-controller", api::resources::kReplicaSets, api::Gvk{"apps", "v1", "ReplicaSet"}};
}

ReplicaSetController::Variant ReplicaSetController::replication_controllers() {
  return {"replication-controller", api::Gvr{"", "v1", "replicationcontrollers"},
          api::Gvk{"", "v1", "ReplicationController"}};
}

ReplicaSetController::ReplicaSetController(Context& context_, Variant variant)
    : PodOwnerController(context_, std::move(variant)) {}

Result<api::LabelSelector> ReplicaSetController::selector_of(const api::Object& set) const {
  if (variant().kind.kind == "ReplicaSet")
    return api::LabelSelector::from_json(api::find(set.json(), "spec.selector"));
  const auto& labels = api::object(set.json(), "spec.selector");
  // An empty selector of a ReplicationController selects nothing.
  return labels.empty() ? api::LabelSelector::nothing() : api::LabelSelector::from_map(labels);
}

rt::Task<Result<void>> ReplicaSetController::reconcile(api::Key key) {
  const auto set = owners().get(key);
  if (!set) {
    expectations().forget(queue_text(key));
    co_return ok();
  }
  const bool decide = may_count(key);
  std::function<bool(const api::Object&)> adoptable = [](const api::Object& pod) {
    return pod_active(pod.json());
  };
  MK_CO_ASSIGN(auto owned, co_await claim_pods(set, std::move(adoptable)));

  std::vector<api::Object> active;
  std::size_t terminating = 0;
  for (auto& pod : owned) {
    if (pod_finished(pod.json())) continue;
    if (pod.deleting()) {
      ++terminating;
    } else {
      active.push_back(std::move(pod));
    }
  }
  Problem problem;
  if (decide && !set.deleting()) problem = co_await manage(set, active);

  MK_CO_TRY(co_await write_status(
      set, replicaset::status_of(set.json(), active, terminating, problem, clock().now())));
  if (const auto wait = next_available(active, api::num(set.json(), "spec.minReadySeconds"), clock().now()))
    enqueue_after(key, *wait);
  // Creation refused (quota, admission): try again with growing delay.
  if (!problem.reason.empty()) co_return Error(Reason::kUnknown, problem.message);
  co_return ok();
}

rt::Task<Problem> ReplicaSetController::manage(api::Object set, std::vector<api::Object> active) {
  const Plan todo = replicaset::plan(api::num(set.json(), "spec.replicas", 1), active.size());
  if (todo.create > 0) {
    const auto* pod_template = api::find(set.json(), "spec.template");
    const api::Json pod =
        pod_from_template(pod_template ? *pod_template : api::Json(api::JsonObject()), set, variant().kind);
    std::function<api::Json(int)> make = [pod](int) { return pod; };
    co_return co_await create_pods(set, todo.create, std::move(make));
  }
  if (todo.remove == 0) co_return Problem();
  if (static_cast<std::size_t>(todo.remove) < active.size()) {
    rank_for_deletion(active, related_pods_per_node(set), clock().now());
    active.resize(static_cast<std::size_t>(todo.remove));
  }
  co_return co_await delete_pods(set, std::move(active));
}

// Active pods, by node, of every set that has the same controller (the ReplicaSets of one Deployment).
std::unordered_map<std::string, int> ReplicaSetController::related_pods_per_node(const api::Object& set) {
  std::vector<api::Object> related{set};
  if (const auto* owner = api::controller_of(set)) {
    related = owners().by_index(kByController, std::string(api::str(*owner, "uid")));
  }
  std::unordered_map<std::string, int> counts;
  for (const auto& one : related) {
    for (const auto& pod : pods().by_index(kByController, std::string(one.uid()))) {
      if (pod_active(pod.json())) ++counts[std::string(api::str(pod.json(), "spec.nodeName"))];
    }
  }
  return counts;
}

}  // namespace mk::controller
