#pragma once

#include "status/pod_status.h"

namespace mk::kubelet {

// One element of (init|ephemeral)containerStatuses. `old` is the element the API has, or nullptr.
Json make_container_status(const Json& pod, const ContainerRef& container, const Json* old,
                           const StatusInputs& inputs);

const Json* find_named(const JsonArray& items, std::string_view name);

}  // namespace mk::kubelet
