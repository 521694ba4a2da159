#pragma once

#include "mk/api/json.h"

// autoscaling/v1 and v2 show the same HorizontalPodAutoscalers. They are stored as v2; v1 knows one target,
// the CPU's utilization, and carries everything else in annotations (autoscaling.alpha.kubernetes.io/...), so
// that who edits through v1 loses nothing.
namespace mk::apiserver {

inline constexpr std::string_view kAutoscalers = "horizontalpodautoscalers.autoscaling";
inline constexpr std::string_view kOldAutoscaling = "autoscaling/v1";

// True for a HorizontalPodAutoscaler of autoscaling/v1.
bool is_old_autoscaler(const api::Json& object);
api::Json autoscaler_for_view(const api::Json& stored);  // v2 to v1
api::Json autoscaler_for_store(const api::Json& shown);  // v1 to v2

}  // namespace mk::apiserver
