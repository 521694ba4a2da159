#include "replicaset/replicaset_controller.h"

#include <algorithm>

#include "kit/objects.h"

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
    : Controller(context_, variant.name),
      variant_(std::move(variant)),
      sets_(watch_owned(variant_.resource, self)),
      pods_(watch_owned(api::resources::kPods, [this](const api::Object& before, const api::Object& after) {
        return keys_of_pod(before, after);
      })) {}

Result<api::LabelSelector> ReplicaSetController::selector_of(const api::Object& set) const {
  if (variant_.kind.kind == "ReplicaSet")
    return api::LabelSelector::from_json(api::find(set.json(), "spec.selector"));
  const auto& labels = api::object(set.json(), "spec.selector");
  // An empty selector of a ReplicationController selects nothing.
  return labels.empty() ? api::LabelSelector::nothing() : api::LabelSelector::from_map(labels);
}

void ReplicaSetController::add_matching(const api::Object& orphan, Keys& keys) {
  for (const auto& set : sets_.in_namespace(std::string(orphan.ns()))) {
    const auto selector = selector_of(set);
    if (selector.ok() && selector->matches(api::object(orphan.json(), "metadata.labels")))
      keys.push_back(set.key());
  }
}

// Keeps the expectations and says which sets a pod's change concerns: its controller, before and after, and
// any set that might adopt it.
Controller::Keys ReplicaSetController::keys_of_pod(const api::Object& before, const api::Object& after) {
  const auto owners = controllers(variant_.kind);
  auto keys = owners(before, after);
  if (!before && !keys.empty()) expectations().creation_observed(queue_text(keys.front()));
  const bool going = !after || (after.deleting() && !(before && before.deleting()));
  if (going) {
    for (const auto& key : keys)
      expectations().deletion_observed(queue_text(key), std::string(after ? after.uid() : before.uid()));
  }
  if (after && !after.deleting() && !api::controller_of(after)) {
    const bool news =
        !before || api::controller_of(before) ||
        api::object(before.json(), "metadata.labels") != api::object(after.json(), "metadata.labels");
    if (news) add_matching(after, keys);
  }
  return keys;
}

rt::Task<Result<void>> ReplicaSetController::reconcile(api::Key key) {
  const auto set = sets_.get(key);
  if (!set) {
    expectations().forget(queue_text(key));
    co_return ok();
  }
  MK_CO_ASSIGN(auto selector, selector_of(set));
  const bool decide = expectations().satisfied(queue_text(key));

  auto candidates = pods_.by_index(kByController, std::string(set.uid()));
  for (auto& orphan : pods_.by_index(kByController, orphans(key.ns))) candidates.push_back(std::move(orphan));
  Claimant claimant(set, variant_.resource, variant_.kind, std::move(selector));
  std::function<bool(const api::Object&)> adoptable = [](const api::Object& pod) {
    return pod_active(pod.json());
  };
  MK_CO_ASSIGN(auto owned, co_await claim(client(), std::move(claimant), api::resources::kPods,
                                          std::move(candidates), std::move(adoptable)));

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

  MK_CO_TRY(co_await write_status(set, active, terminating, problem));
  if (const auto wait = replicaset::next_available(set.json(), active, clock().now()))
    enqueue_after(key, *wait);
  // Creation refused (quota, admission): try again with growing delay.
  if (!problem.reason.empty()) co_return Error(Reason::kUnknown, problem.message);
  co_return ok();
}

rt::Task<replicaset::Problem> ReplicaSetController::manage(api::Object set, std::vector<api::Object> active) {
  const Plan todo = replicaset::plan(api::num(set.json(), "spec.replicas", 1), active.size());
  if (todo.create > 0) co_return co_await create_pods(set, todo.create);
  if (todo.remove == 0) co_return Problem();
  if (static_cast<std::size_t>(todo.remove) < active.size()) {
    replicaset::rank_for_deletion(active, related_pods_per_node(set), clock().now());
    active.resize(static_cast<std::size_t>(todo.remove));
  }
  co_return co_await delete_pods(set, std::move(active));
}

// Slow start: one, two, four ... at a time, so that a set whose pods are refused makes few failing calls.
rt::Task<replicaset::Problem> ReplicaSetController::create_pods(api::Object set, int count) {
  const auto key = queue_text(set.key());
  expectations().expect_creations(key, count);
  auto problem = std::make_shared<Problem>();
  int batch = 1;
  for (int left = count; left > 0; left -= batch) {
    batch = std::min(batch * (left == count ? 1 : 2), left);
    std::vector<rt::Task<>> tasks;
    for (int i = 0; i < batch; ++i) tasks.push_back(create_pod(set, problem));
    co_await run_all(std::move(tasks));
    if (!problem->reason.empty()) {
      for (int i = batch; i < left; ++i) expectations().creation_observed(key);  // never tried
      break;
    }
  }
  co_return *problem;
}

rt::Task<> ReplicaSetController::create_pod(api::Object set, std::shared_ptr<Problem> problem) {
  const auto* pod_template = api::find(set.json(), "spec.template");
  api::Object pod(
      pod_from_template(pod_template ? *pod_template : api::Json(api::JsonObject()), set, variant_.kind));
  auto made = co_await client().create(api::resources::kPods, std::string(set.ns()), std::move(pod),
                                       client::WriteOptions());
  if (made.ok()) {
    event(set, "Normal", "SuccessfulCreate", "Created pod: " + std::string(made->name()));
    co_return;
  }
  expectations().creation_observed(queue_text(set.key()));  // it will not come
  if (namespace_terminating(made.error())) co_return;
  event(set, "Warning", "FailedCreate", "Error creating: " + made.error().message());
  problem->reason = "FailedCreate";
  problem->message = made.error().message();
}

rt::Task<replicaset::Problem> ReplicaSetController::delete_pods(api::Object set,
                                                                std::vector<api::Object> pods) {
  std::vector<std::string> uids;
  for (const auto& pod : pods) uids.emplace_back(pod.uid());
  expectations().expect_deletions(queue_text(set.key()), uids);
  auto problem = std::make_shared<Problem>();
  std::vector<rt::Task<>> tasks;
  for (auto& pod : pods) tasks.push_back(delete_pod(set, pod, problem));
  co_await run_all(std::move(tasks));
  co_return *problem;
}

rt::Task<> ReplicaSetController::delete_pod(api::Object set, api::Object pod,
                                            std::shared_ptr<Problem> problem) {
  client::DeleteOptions options;
  options.uid = pod.uid();
  auto done = co_await client().remove(api::resources::kPods, pod.key(), std::move(options));
  if (done.ok()) {
    event(set, "Normal", "SuccessfulDelete", "Deleted pod: " + std::string(pod.name()));
    co_return;
  }
  expectations().deletion_observed(queue_text(set.key()), std::string(pod.uid()));
  if (done.error().is(Reason::kNotFound) || done.error().is(Reason::kConflict))
    co_return;  // gone or replaced
  event(set, "Warning", "FailedDelete", "Error deleting: " + done.error().message());
  problem->reason = "FailedDelete";
  problem->message = done.error().message();
}

// Active pods, by node, of every set that has the same controller (the ReplicaSets of one Deployment).
std::unordered_map<std::string, int> ReplicaSetController::related_pods_per_node(const api::Object& set) {
  std::vector<api::Object> related{set};
  if (const auto* owner = api::controller_of(set)) {
    related = sets_.by_index(kByController, std::string(api::str(*owner, "uid")));
  }
  std::unordered_map<std::string, int> counts;
  for (const auto& one : related) {
    for (const auto& pod : pods_.by_index(kByController, std::string(one.uid()))) {
      if (pod_active(pod.json())) ++counts[std::string(api::str(pod.json(), "spec.nodeName"))];
    }
  }
  return counts;
}

rt::Task<Result<void>> ReplicaSetController::write_status(api::Object set, std::vector<api::Object> active,
                                                          std::size_t terminating, Problem problem) {
  auto status = replicaset::status_of(set.json(), active, terminating, problem, clock().now());
  const auto* present = api::find(set.json(), "status");
  if (present && *present == status) co_return ok();
  auto changed = set.with([&status](api::Json& json) { api::set(json, "status", std::move(status)); });
  MK_CO_TRY(
      co_await client().update(variant_.resource, std::move(changed), "status", client::WriteOptions()));
  co_return ok();
}

}  // namespace mk::controller
