#pragma once

#include "registry/strategies/fields.h"

namespace mk::apiserver {

void validate_pod_security_context(const api::Json& spec, const Path& path, Report& report);
// seccompProfile, appArmorProfile of either context.
void validate_profiles(const api::Json& context, const Path& path, Report& report);

}  // namespace mk::apiserver
