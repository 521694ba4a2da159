#pragma once

#include <string_view>

#include "mk/cel/value.h"

namespace mk::cel {

// RE2's syntax; time is linear in the text. An error for a pattern that is none.
Value regex_matches(std::string_view text, std::string_view pattern);

}  // namespace mk::cel
