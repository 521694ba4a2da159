#pragma once

#include "context.h"
#include "env/environment.h"
#include "mk/api/object.h"
#include "mk/kubelet/runtime.h"
#include "pods/pod_view.h"
#include "volumes/pod_volumes.h"

namespace mk::kubelet {

// Everything but environment, command and mounts. kInvalid: CreateContainerConfigError. Pure.
Result<SecurityContext> make_security_context(const Json& pod, const Json& container, const ImageInfo& image);
SandboxConfig make_sandbox_config(const Json& pod, const KubeletOptions& options);

// The complete configuration of a container; reads the ConfigMaps and Secrets it refers to.
rt::Task<Result<ContainerConfig>> make_container_config(Context& context, PodVolumes& volumes,
                                                        api::Object pod, std::string container,
                                                        std::uint32_t attempt, ImageInfo image,
                                                        std::vector<std::string> pod_ips);

int signal_number(std::string_view name);  // "SIGTERM", "TERM", "15"; 0: unknown

}  // namespace mk::kubelet
