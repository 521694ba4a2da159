#pragma once

#include <string>
#include <string_view>

#include "mk/base/result.h"
#include "mk/rt/task.h"

namespace mk::kubectl {

// Go's durations ("1m30s", "500ms"); a bare number counts seconds.
Result<rt::Duration> parse_duration(std::string_view text);
// The inverse for whole seconds: "1h2m3s".
std::string duration_text(std::int64_t seconds);

}  // namespace mk::kubectl
