#pragma once

#include <string>

#include "mk/base/result.h"

namespace mk::node {

// What the machine says of itself.
std::string host_name();  // lower case, as a node name must be

// The address of the interface that the default route leaves by; without one, the first address that is not
// loopback; without any, 127.0.0.1: mk starts without a network.
std::string primary_address();

}  // namespace mk::node
