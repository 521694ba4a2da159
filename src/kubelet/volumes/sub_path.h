#pragma once

#include <string>

#include "mk/base/result.h"

namespace mk::kubelet {

// Opens volume_root/sub_path (O_PATH) with every link on the way resolved inside the volume: what points
// outside is refused, whatever the container does to the volume meanwhile. What is missing is created as
// directories. The caller closes the descriptor. Blocking.
Result<int> open_sub_path(const std::string& volume_root, const std::string& sub_path);

// "" when `sub_path` may be used, else what is wrong with it.
std::string check_sub_path(const std::string& sub_path);

}  // namespace mk::kubelet
