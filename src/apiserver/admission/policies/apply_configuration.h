#pragma once

#include "mk/api/schema.h"

namespace mk::apiserver {

// Merges what an ApplyConfiguration expression made into `object`, as server-side apply does: lists by their
// keys, nobody's ownership changed. Lists, maps and structs that the schema calls atomic may not be touched.
// kInvalid.
Result<void> merge_configuration(const api::Type& type, api::Json& object, api::Json configuration);

}  // namespace mk::apiserver
