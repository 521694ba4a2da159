#pragma once

#include <string_view>

#include "mk/api/object.h"
#include "mk/client/client.h"

namespace mk::controller {

bool has_finalizer(const api::Object& object, std::string_view name);
// Adds or takes away a finalizer by an update of just this state of the object. Not found: nobody minds.
rt::Task<Result<void>> write_finalizer(client::Client& client, api::Gvr resource, api::Object object,
                                       std::string_view name, bool present);

}  // namespace mk::controller
