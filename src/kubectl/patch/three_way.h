#pragma once

#include "mk/api/json.h"
#include "mk/api/schema.h"

namespace mk::kubectl {

inline constexpr const char* kLastApplied = "kubectl.kubernetes.io/last-applied-configuration";

// The patch that makes `current` (on the server) what `modified` (the new manifest) says, removing what
// `original` (the manifest applied last) had and `modified` has not. Fields that neither manifest names stay
// as they are. An empty object when nothing is to be done.
//
// With a type: a strategic merge patch ($patch, $setElementOrder, $deleteFromPrimitiveList, $retainKeys).
// Without (a custom resource): a JSON merge patch, whose lists are replaced whole.
api::Json three_way_patch(const api::Type* type, const api::Json& original, const api::Json& modified,
                          const api::Json& current);

// The manifest as it is remembered in the annotation: one line of JSON without the annotation itself.
std::string last_applied_text(const api::Json& manifest);
// The manifest with that annotation.
api::Json with_last_applied(const api::Json& manifest);
// What the annotation of a live object remembers; null without it.
api::Json last_applied_of(const api::Json& live);

}  // namespace mk::kubectl
