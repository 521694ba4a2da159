#pragma once

#include <string>

#include "mk/api/object.h"
#include "mk/base/result.h"

// mk's own storage: directories on nodes. All pure.
namespace mk::controller::localpath {

// The StorageClass of that name, the default one of a cluster, as k3s has it.
inline constexpr std::string_view kClassName = "local-path";
api::Json storage_class();
// Did mk make this class? One that a user wrote under the name is the user's.
bool packaged(const api::Object& storage_class);

// "pvc-<uid of the claim>"
std::string volume_name(const api::Object& claim);

// The volume for a claim whose pod goes to `node`. kInvalid: this claim or class can never be served, and
// why; kServiceUnavailable: not on this node.
Result<api::Json> plan_volume(const api::Object& claim, const api::Object& storage_class,
                              const api::Object& node);

}  // namespace mk::controller::localpath
