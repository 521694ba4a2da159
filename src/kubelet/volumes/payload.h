#pragma once

#include <string>

#include "env/downward.h"
#include "mk/api/object.h"
#include "volumes/atomic_writer.h"

// The files that volume sources stand for. Pure.
namespace mk::kubelet {

// A configMap or secret source: all keys, or `items` with their paths and modes. kNotFound when a key that
// `items` names is missing and the source is not optional.
Result<void> add_object_files(Payload& out, const Json& source, const api::Object& object,
                              unsigned default_mode);
// The `items` of a downwardAPI source.
Result<void> add_downward_files(Payload& out, const Json& source, const DownwardInputs& in,
                                unsigned default_mode);

}  // namespace mk::kubelet
