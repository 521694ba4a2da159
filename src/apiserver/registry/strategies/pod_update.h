#pragma once

#include "registry/strategies/fields.h"

// What may change of a pod that exists.
namespace mk::apiserver {

// The pod itself: images, deadline, more tolerations, fewer scheduling gates.
void validate_pod_update(const api::Json& pod, const api::Json& old, Report& report);
void validate_pod_status_update(const api::Json& pod, const api::Json& old, Report& report);

// The subresources that write a part of the spec. keep_... makes `pod` the old one with nothing but that part
// (and metadata.managedFields, resourceVersion) of the new; then validate_... says whether the change may be.
void keep_only_ephemeral_containers(api::Json& pod, const api::Json& old);
void validate_ephemeral_containers_update(const api::Json& pod, const api::Json& old, Report& report);
void keep_only_resize(api::Json& pod, const api::Json& old);
void validate_resize(const api::Json& pod, const api::Json& old, Report& report);

}  // namespace mk::apiserver
