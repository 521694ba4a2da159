#include "registry/strategies/pod_eviction.h"

#include <fmt/format.h>

#include "mk/api/selector.h"

namespace mk::apiserver {

using api::Json;

namespace {

// More than this many evictions in flight means that nobody confirms them.
constexpr std::size_t kDisruptedPodsMax = 2000;
constexpr std::string_view kViolates = "Cannot evict pod as it would violate the pod's disruption budget.";

bool matches(const Json& budget, const Json& pod) {
  const auto selector = api::LabelSelector::from_json(api::find(budget, "spec.selector"));
  return selector.ok() && selector->matches(api::object(pod, "metadata.labels"));
}

// A pod that does not serve can go without asking.
bool needs_no_budget(const Json& pod) {
  const auto phase = api::str(pod, "status.phase");
  return phase == "Succeeded" || phase == "Failed" || phase == "Pending" ||
         api::find(pod, "metadata.deletionTimestamp");
}

bool is_ready(const Json& pod) {
  for (const auto& condition : api::list(pod, "status.conditions")) {
    if (api::str(condition, "type") == "Ready") return api::str(condition, "status") == "True";
  }
  return false;
}

// Pods that are not ready, by the budget's unhealthyPodEvictionPolicy.
bool unhealthy_may_go(const Json& budget, const Json& pod) {
  if (is_ready(pod)) return false;
  if (api::str(budget, "spec.unhealthyPodEvictionPolicy") == "AlwaysAllow") return true;
  const auto healthy = api::num(budget, "status.currentHealthy"),
             desired = api::num(budget, "status.desiredHealthy");
  return healthy >= desired && desired > 0;
}

Error refused(const std::string& why, int retry_after) {
  Error error(Reason::kTooManyRequests, std::string(kViolates));
  error.causes.emplace_back("", "DisruptionBudget", why);
  error.retry_after_seconds = retry_after;
  return error;
}

Error forbidden(std::string_view name, std::string_view why) {
  Error error(Reason::kForbidden,
              fmt::format("poddisruptionbudgets.policy \"{}\" is forbidden: {}", name, why));
  error.group = "policy";
  error.kind = "poddisruptionbudgets";
  error.name = name;
  return error;
}

void set_no_more_allowed(Json& budget, std::string_view now) {
  auto* conditions = edit_list(budget, "status.conditions");
  if (conditions == nullptr) return;
  for (auto& condition : *conditions) {
    if (api::str(condition, "type") != "DisruptionAllowed") continue;
    if (api::str(condition, "status") != "False") api::set(condition, "lastTransitionTime", api::text(now));
    api::set(condition, "status", api::text("False"));
    api::set(condition, "reason", api::text("InsufficientPods"));
  }
}

Result<Json> take_disruption(const Json& budget, const Json& pod, std::string_view now) {
  const auto name = api::str(budget, "metadata.name");
  if (api::num(budget, "status.observedGeneration") < api::num(budget, "metadata.generation")) {
    return refused(fmt::format("The disruption budget {} is still being processed by the server.", name), 10);
  }
  const auto allowed = api::num(budget, "status.disruptionsAllowed");
  if (allowed < 0) return forbidden(name, "pdb disruptions allowed is negative");
  if (api::object(budget, "status.disruptedPods").size() > kDisruptedPodsMax) {
    return forbidden(name, "DisruptedPods map too big - too many evictions not confirmed by PDB controller");
  }
  if (allowed == 0) {
    return refused(
        fmt::format("The disruption budget {} needs {} healthy pods and has {} currently", name,
                    api::num(budget, "status.desiredHealthy"), api::num(budget, "status.currentHealthy")),
        0);
  }
  Json taken = budget;
  api::set(taken, "status.disruptionsAllowed", allowed - 1);
  if (allowed == 1) set_no_more_allowed(taken, now);
  default_to(taken, "status.disruptedPods", api::JsonObject());
  edit(taken, "status.disruptedPods")->as_object()[api::str(pod, "metadata.name")] = api::text(now);
  return taken;
}

}  // namespace

Result<EvictionPlan> plan_eviction(const Json& pod, const std::vector<api::Object>& budgets,
                                   std::string_view now) {
  if (needs_no_budget(pod)) return EvictionPlan();
  const Json* found = nullptr;
  for (const auto& budget : budgets) {
    if (!matches(budget.json(), pod)) continue;
    if (found != nullptr) {
      return Error(
          Reason::kInternalError,
          "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.");
    }
    found = &budget.json();
  }
  if (found == nullptr || unhealthy_may_go(*found, pod)) return EvictionPlan();
  MK_ASSIGN(auto taken, take_disruption(*found, pod, now));
  EvictionPlan plan;
  plan.budget = std::move(taken);
  return plan;
}

void set_disruption_target(Json& pod, std::string_view now) {
  default_to(pod, "status.conditions", api::JsonArray());
  auto* conditions = edit_list(pod, "status.conditions");
  if (conditions == nullptr) return;
  api::JsonObject mark;
  mark["type"] = "DisruptionTarget";
  mark["status"] = "True";
  mark["reason"] = "EvictionByEvictionAPI";
  mark["message"] = "Eviction API: evicting";
  mark["lastTransitionTime"] = now;
  for (auto& condition : *conditions) {
    if (api::str(condition, "type") != "DisruptionTarget") continue;
    if (api::str(condition, "status") == "True")
      mark["lastTransitionTime"] = api::str(condition, "lastTransitionTime", now);
    condition = std::move(mark);
    return;
  }
  conditions->push_back(std::move(mark));
}

}  // namespace mk::apiserver
