#pragma once

#include "registry/strategies/fields.h"
#include "registry/strategies/volumes.h"

// Containers, init containers and ephemeral containers of a pod spec.
namespace mk::apiserver {

void default_container(api::Json& container);

// What a container's rules need to know of its pod.
struct PodContext {
  const VolumesByName& volumes;
  std::int64_t grace = 30;
  bool host_network = false;
  bool host_users = true;
};

void validate_containers(const api::Json& spec, const PodContext& pod, const Path& path, Report& report);
// `spec.ephemeralContainers`, against the other containers of the pod.
void validate_ephemeral_containers(const api::Json& spec, const PodContext& pod, const Path& path,
                                   Report& report);

void validate_container_security(const api::Json& context, const Path& path, Report& report);

}  // namespace mk::apiserver
