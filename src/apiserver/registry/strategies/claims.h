#pragma once

#include "registry/strategies/fields.h"

// The spec of a PersistentVolumeClaim, wherever it stands: claims, templates of StatefulSets, ephemeral
// volumes.
namespace mk::apiserver {

void default_claim_spec(api::Json& spec);
void validate_claim_spec(const api::Json& spec, const Path& path, Report& report);
void validate_access_modes(const api::JsonArray& modes, const Path& path, Report& report);

}  // namespace mk::apiserver
