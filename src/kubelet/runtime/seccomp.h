#pragma once

#include "mk/api/json.h"
#include "mk/base/result.h"
#include "mk/kubelet/runtime.h"

namespace mk::kubelet {

// The spec's seccomp part for "RuntimeDefault" or "Localhost:<path>"; null for "Unconfined".
Result<api::Json> seccomp_profile(const SecurityContext& security);

}  // namespace mk::kubelet
