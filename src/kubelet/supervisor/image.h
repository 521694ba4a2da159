#pragma once

#include <string>
#include <string_view>

#include "mk/base/result.h"

namespace mk::kubelet {

std::string_view supervisor_image();
// Writes the supervisor's program into `folder`, under a name that tells its content, unless it is there;
// running supervisors of an older mk keep theirs. Returns its path.
Result<std::string> place_supervisor(const std::string& folder);

}  // namespace mk::kubelet
