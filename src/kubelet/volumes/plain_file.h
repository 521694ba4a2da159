#pragma once

#include <string>
#include <string_view>

#include "mk/base/result.h"

namespace mk::kubelet {

// Writes a file that need not survive a power cut: no fsync, so that a pod's start does not wait for the
// disk. Refuses to follow a link in the last place. Blocking.
Result<void> write_plain_file(const std::string& path, std::string_view content, unsigned mode);

}  // namespace mk::kubelet
