#pragma once

#include <optional>

#include "mk/api/object.h"
#include "mk/base/result.h"
#include "registry/strategies/fields.h"

namespace mk::apiserver {

// What must happen so that a pod may be evicted.
struct EvictionPlan {
  // The budget with one disruption less, whose status has to be written (against its resourceVersion; on a
  // conflict decide again) before the pod is deleted. Empty: no budget stands in the way.
  std::optional<api::Json> budget;
};

// POST pods/<name>/eviction, given the PodDisruptionBudgets of the pod's namespace. kTooManyRequests: a
// budget says no for now.
Result<EvictionPlan> plan_eviction(const api::Json& pod, const std::vector<api::Object>& budgets,
                                   std::string_view now);

// Marks a pod as the target of a disruption: an eviction is about to delete it.
void set_disruption_target(api::Json& pod, std::string_view now);

}  // namespace mk::apiserver
