#pragma once

#include <string>

#include "mk/base/result.h"

namespace mk::kubelet {

// Checks or makes what a hostPath volume of this type ("", "DirectoryOrCreate", "Directory", "FileOrCreate",
// "File", "Socket", "CharDevice", "BlockDevice") wants to find. Blocking.
Result<void> prepare_host_path(const std::string& path, const std::string& type);

}  // namespace mk::kubelet
