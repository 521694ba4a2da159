#pragma once

#include "mk/base/result.h"
#include "registry/strategies/fields.h"

namespace mk::apiserver {

// POST pods/<name>/binding: puts the pod on the node that the binding names. Changes `pod` only when it
// succeeds. kInvalid: a bad binding; kConflict: the pod is assigned, deleted or gated.
Result<void> bind_pod(api::Json& pod, const api::Json& binding, std::string_view now);

}  // namespace mk::apiserver
