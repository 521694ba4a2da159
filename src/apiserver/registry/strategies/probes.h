#pragma once

#include "registry/strategies/fields.h"

// Probes and lifecycle handlers of containers.
namespace mk::apiserver {

void default_container_probes(api::Json& container);
// `grace`: the pod's terminationGracePeriodSeconds, which bounds sleeps.
void validate_container_probes(const api::Json& container, std::int64_t grace, const Path& path,
                               Report& report);
void validate_lifecycle(const api::Json& lifecycle, std::int64_t grace, const Path& path, Report& report);

}  // namespace mk::apiserver
