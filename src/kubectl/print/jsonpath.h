#pragma once

#include "mk/api/jsonpath.h"

// Output formats and wait conditions are written with them everywhere in this room.
namespace mk::kubectl {

using api::JsonPath;
using api::plain_text;

}  // namespace mk::kubectl
