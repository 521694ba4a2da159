#include "disruption/disruption_controller.h"

#include "disruption/budget.h"
#include "kit/objects.h"
#include "mk/api/selector.h"

namespace mk::controller {

using api::resources::kPods;

namespace {

const api::Gvr kBudgets{"policy", "v1", "poddisruptionbudgets"};
constexpr auto kStaleAfter = std::chrono::minutes(2);

bool selects(const api::Object& budget, const api::Object& pod) {
  const auto selector = api::LabelSelector::from_json(api::find(budget.json(), "spec.selector"));
  return selector.ok() && selector->matches(api::object(pod.json(), "metadata.labels"));
}

const api::Json* target_mark(const api::Object& pod) {
  if (!pod || pod.deleting() || pod_finished(pod.json())) return nullptr;
  const auto* mark = find_condition(pod.json(), "DisruptionTarget");
  return mark && api::str(*mark, "status") == "True" ? mark : nullptr;
}

// Of all that changes in a pod, a budget minds little.
bool matters(const api::Object& before, const api::Object& after) {
  if (!before || !after) return true;
  return pod_ready(before.json()) != pod_ready(after.json()) || before.deleting() != after.deleting() ||
         api::object(before.json(), "metadata.labels") != api::object(after.json(), "metadata.labels") ||
         api::list(before.json(), "metadata.ownerReferences") !=
             api::list(after.json(), "metadata.ownerReferences");
}

}  // namespace

DisruptionController::DisruptionController(Context& context_)
    : Controller(context_, "disruption-controller"),
      budgets_(watch(kBudgets, self)),
      pods_(watch(kPods, [this](const api::Object& before, const api::Object& after) {
        return budgets_of_pod(before, after);
      })) {}

Controller::Keys DisruptionController::budgets_of_pod(const api::Object& before, const api::Object& after) {
  if (!matters(before, after)) return {};
  Keys keys;
  const auto& pod = after ? after : before;
  for (const auto& budget : budgets_.in_namespace(std::string(pod.ns()))) {
    if ((before && selects(budget, before)) || (after && selects(budget, after)))
      keys.push_back(budget.key());
  }
  return keys;
}

rt::Task<Result<void>> DisruptionController::reconcile(api::Key key) {
  const auto budget = budgets_.get(key);
  if (!budget || budget.deleting()) co_return ok();
  std::vector<api::Object> pods;
  for (auto& pod : pods_.in_namespace(key.ns)) {
    if (selects(budget, pod)) pods.push_back(std::move(pod));
  }
  if (pods.empty()) event(budget, "Normal", "NoPods", "No matching pods found");
  Scale scale;
  if (disruption::needs_scale(budget.json())) {
    auto found = co_await scale_of(pods);
    if (!found.ok()) {
      const auto& why = found.error().message();
      event(budget, "Warning", "CalculateExpectedPodCountFailed",
            "Failed to calculate the number of expected pods: " + why);
      co_return co_await write_status(kBudgets, budget,
                                      disruption::with_failure(budget.json(), why, clock().now()));
    }
    scale = *found;
    if (scale.unmanaged > 0)
      event(budget, "Warning", "UnmanagedPods",
            "Pods selected by this PodDisruptionBudget (selector: " +
                api::LabelSelector::from_json(api::find(budget.json(), "spec.selector")).value().str() +
                ") were found to be unmanaged. As a result, the status of the PDB cannot be calculated "
                "correctly, which may result in undefined behavior. To account for these pods please set "
                "\".spec.minAvailable\" field of the PDB to an integer value.");
  }
  const auto now = clock().now();
  const auto disrupted = disruption::pending_disruptions(budget.json(), pods, now);
  for (const auto& pod : disrupted.expired)
    event(pod, "Warning", "NotDeleted",
          "Pod was expected by PDB " + key.str() + " to be deleted but it wasn't");
  if (disrupted.look_again) enqueue_after(key, *disrupted.look_again - now + std::chrono::milliseconds(1));
  const auto demand = disruption::demand(budget.json(), static_cast<std::int64_t>(pods.size()), scale.total);
  const auto healthy = disruption::healthy_count(pods, disrupted);
  co_return co_await write_status(kBudgets, budget,
                                  disruption::with_status(budget.json(), demand, healthy, disrupted, now));
}

// The replicas that the controllers of these pods want, each asked once.
rt::Task<Result<DisruptionController::Scale>> DisruptionController::scale_of(std::vector<api::Object> pods) {
  Scale scale;
  std::set<std::string> asked;
  for (const auto& pod : pods) {
    const auto* owner = api::controller_of(pod);
    if (owner == nullptr) {
      ++scale.unmanaged;
      continue;
    }
    if (!asked.insert(std::string(api::str(*owner, "uid"))).second) continue;
    MK_CO_ASSIGN(const auto replicas, co_await replicas_of(std::string(pod.ns()), *owner));
    if (replicas) scale.total += *replicas;
  }
  co_return scale;
}

// nullopt: the controller is gone, or another one of its name is there. A ReplicaSet of a Deployment wants
// what the Deployment wants: during a rollout the pods of several sets share it.
rt::Task<Result<std::optional<std::int64_t>>> DisruptionController::replicas_of(std::string ns,
                                                                                api::Json owner) {
  std::optional<std::int64_t> none;
  const auto gvk = api::parse_gvk(api::str(owner, "apiVersion"), api::str(owner, "kind"));
  const auto* resource = api::find_builtin(gvk);
  if (resource == nullptr || resource->subresource("scale") == nullptr) {
    const auto name = resource ? resource->gvr.qualified() : gvk.kind + "." + gvk.group;
    co_return Error(Reason::kNotFound, name + " does not implement the scale subresource");
  }
  auto found = co_await client().get(resource->gvr, api::Key(ns, std::string(api::str(owner, "name"))));
  if (!found.ok() && found.error().is(Reason::kNotFound)) co_return none;
  if (!found.ok()) co_return std::move(found).error();
  if (found->uid() != api::str(owner, "uid")) co_return none;
  if (resource->gvr == api::resources::kReplicaSets) {
    const auto* above = api::controller_of(*found);
    if (above != nullptr && api::str(*above, "kind") == "Deployment") {
      const api::Json deployment = *above;
      co_return co_await replicas_of(std::move(ns), deployment);
    }
  }
  co_return std::optional<std::int64_t>(api::num(found->json(), "spec.replicas", 1));
}

StaleDisruptionController::StaleDisruptionController(Context& context_)
    : Controller(context_, "disruption-controller", 1),
      pods_(watch(kPods, [](const api::Object&, const api::Object& after) {
        return target_mark(after) ? Keys{after.key()} : Keys();
      })) {}

rt::Task<Result<void>> StaleDisruptionController::reconcile(api::Key key) {
  const auto pod = pods_.get(key);
  const auto* mark = target_mark(pod);
  if (mark == nullptr) co_return ok();
  const auto since = time_at(*mark, "lastTransitionTime").value_or(clock().now());
  const auto left = since + kStaleAfter - clock().now();
  if (left > rt::Duration::zero()) {
    enqueue_after(key, left);
    co_return ok();
  }
  api::Json changed = pod.json();
  set_condition(changed, Condition("DisruptionTarget", "False", "", ""), clock().now());
  co_return co_await write_status(kPods, pod, std::move(changed));
}

}  // namespace mk::controller
