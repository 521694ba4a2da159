#pragma once

#include <memory>

#include "mk/pki/certificate.h"
#include "registry/registry.h"

// Writes and reads of subresources that are not simply a part of their object.
namespace mk::apiserver {

// autoscaling/v1 Scale of a workload, and back.
Result<api::Json> scale_of(const api::ResourceInfo& resource, const api::Object& object);
rt::Task<Result<api::Object>> update_scale(Registry& registry, WriteContext& context, api::Json scale);
rt::Task<Result<api::Object>> patch_scale(Registry& registry, WriteContext& context, client::PatchType type,
                                          api::Json patch);

// core/v1 Binding: gives a pod its node. A success Status.
rt::Task<Result<api::Json>> bind_pod(Registry& registry, WriteContext& context, api::Json binding);

// policy/v1 Eviction: deletes a pod unless a disruption budget forbids it (kTooManyRequests).
rt::Task<Result<api::Json>> evict_pod(Registry& registry, WriteContext& context, api::Json eviction);

}  // namespace mk::apiserver
