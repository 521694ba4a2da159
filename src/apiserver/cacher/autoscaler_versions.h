#pragma once

#include "mk/api/json.h"
#include "mk/api/types.h"

// HorizontalPodAutoscalers are stored as autoscaling/v2. autoscaling/v1 is a view: one field for the use of
// CPU, and what v1 has no field for in annotations (autoscaling.alpha.kubernetes.io/...), by which v1 clients
// keep it.
namespace mk::apiserver {

bool is_autoscaler_view(const api::Gvr& gvr);
api::Json autoscaler_for_view(const api::Json& stored);
api::Json autoscaler_for_store(const api::Json& shown);
// True for one of autoscaling/v1.
bool is_shown_autoscaler(const api::Json& object);

}  // namespace mk::apiserver
