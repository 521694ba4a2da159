#pragma once

#include <string_view>

#include "mk/api/json.h"

namespace mk::api {

// What a plain (unquoted, untagged) YAML scalar means: null, bool, number or string.
Json resolve_plain(std::string_view text);

// Whether YAML 1.1 readers may take the plain text for something else than a string ("yes", "1:30", dates).
bool ambiguous_plain(std::string_view text);

}  // namespace mk::api
