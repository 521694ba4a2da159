#pragma once

#include "registry/strategies/fields.h"

// The spec of a pod, in pods and in templates of workloads.
namespace mk::apiserver {

// What holds in templates too. Pods have more (pod.cc).
void default_pod_spec(api::Json& spec);
void validate_pod_spec(const api::Json& spec, const Path& path, Report& report);

// A PodTemplateSpec: `template` in workloads.
void default_pod_template(api::Json& pod_template);
void validate_pod_template(const api::Json& pod_template, const Path& path, Report& report);
// Of workloads whose pods run for ever: restartPolicy must be Always and there is no deadline.
void validate_endless_template(const api::Json& pod_template, std::string_view kind, const Path& path,
                               Report& report);

}  // namespace mk::apiserver
