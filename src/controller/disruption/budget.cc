#include "disruption/budget.h"

#include <algorithm>

#include "kit/objects.h"

namespace mk::controller::disruption {

using api::Json;

namespace {

// An eviction that has not led to a deletion by then never will.
constexpr auto kDisruptionTimeout = std::chrono::minutes(2);

void set_allowed(Json& budget, bool allowed, std::string reason, std::string message, rt::WallTime now) {
  set_condition(
      budget,
      Condition("DisruptionAllowed", allowed ? "True" : "False", std::move(reason), std::move(message)), now);
  auto conditions = api::list(budget, "status.conditions");
  for (auto& condition : conditions) {
    if (api::str(condition, "type") != "DisruptionAllowed") continue;
    api::set(condition, "observedGeneration", api::num(budget, "metadata.generation"));
    if (api::find(condition, "message") == nullptr) api::set(condition, "message", "");
  }
  api::set(budget, "status.conditions", std::move(conditions));
}

bool is_percent(const Json* value) {
  return value != nullptr && value->is_string();
}

}  // namespace

bool needs_scale(const Json& budget) {
  return api::find(budget, "spec.maxUnavailable") != nullptr ||
         is_percent(api::find(budget, "spec.minAvailable"));
}

Demand demand(const Json& budget, std::int64_t pods, std::int64_t scale) {
  if (const Json* most = api::find(budget, "spec.maxUnavailable"))
    return {scale, std::max<std::int64_t>(0, scale - scaled_value(most, scale, true))};
  const Json* least = api::find(budget, "spec.minAvailable");
  if (least == nullptr) return {};
  if (is_percent(least)) return {scale, scaled_value(least, scale, true)};
  return {pods, scaled_value(least, 0, true)};
}

Disrupted pending_disruptions(const Json& budget, const std::vector<api::Object>& pods, rt::WallTime now) {
  Disrupted out;
  const auto& granted = api::object(budget, "status.disruptedPods");
  if (granted.empty()) return out;
  for (const auto& pod : pods) {
    const auto* since = granted.if_contains(pod.name());
    if (since == nullptr || !since->is_string() || pod.deleting()) continue;
    const std::string text(std::string_view(since->get_string()));
    const auto time = rt::parse_time(text);
    if (!time) continue;
    const auto expires = *time + kDisruptionTimeout;
    if (expires <= now) {
      out.expired.push_back(pod);
      continue;
    }
    out.pods.emplace(pod.name(), text);
    if (!out.look_again || expires < *out.look_again) out.look_again = expires;
  }
  return out;
}

std::int64_t healthy_count(const std::vector<api::Object>& pods, const Disrupted& disrupted) {
  return std::count_if(pods.begin(), pods.end(), [&disrupted](const api::Object& pod) {
    return !pod.deleting() && !disrupted.pods.contains(std::string(pod.name())) && pod_ready(pod.json());
  });
}

Json with_status(const Json& budget, const Demand& demand, std::int64_t healthy, const Disrupted& disrupted,
                 rt::WallTime now) {
  auto allowed = healthy - demand.desired_healthy;
  if (demand.expected <= 0 || allowed <= 0) allowed = 0;
  Json out = budget;
  api::set(out, "status.observedGeneration", api::num(budget, "metadata.generation"));
  api::set(out, "status.currentHealthy", healthy);
  api::set(out, "status.desiredHealthy", demand.desired_healthy);
  api::set(out, "status.expectedPods", demand.expected);
  api::set(out, "status.disruptionsAllowed", allowed);
  if (disrupted.pods.empty()) {
    api::erase(out, "status.disruptedPods");
  } else {
    api::JsonObject pending;
    for (const auto& [name, since] : disrupted.pods) pending[name] = since;
    api::set(out, "status.disruptedPods", std::move(pending));
  }
  set_allowed(out, allowed > 0, allowed > 0 ? "SufficientPods" : "InsufficientPods", "", now);
  return out;
}

Json with_failure(const Json& budget, const std::string& why, rt::WallTime now) {
  Json out = budget;
  api::set(out, "status.disruptionsAllowed", 0);
  api::set(out, "status.observedGeneration", api::num(budget, "metadata.generation"));
  set_allowed(out, false, "SyncFailed", why, now);
  return out;
}

}  // namespace mk::controller::disruption
