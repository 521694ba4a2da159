#pragma once

#include "mk/api/json.h"
#include "registry/context.h"

// What the server keeps in metadata, whatever the client sends.
namespace mk::apiserver {

// name from generateName, namespace, uid, creationTimestamp; clears what only the server sets.
void fill_new_metadata(const WriteContext& context, api::Json& object, bool has_generation);
// Carries uid, creationTimestamp, deletion marks and generation over from the stored object.
void keep_metadata(api::Json& object, const api::Json& old);

const api::JsonArray& finalizers(const api::Json& object);
bool has_finalizer(const api::Json& object, std::string_view name);
void set_finalizer(api::Json& object, std::string_view name, bool present);
// Nothing holds a deleting object any more: no finalizers (a namespace's spec.finalizers included), no grace
// left.
bool ready_to_go(const api::Json& object);

}  // namespace mk::apiserver
