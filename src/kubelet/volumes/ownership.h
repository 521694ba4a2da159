#pragma once

#include <optional>
#include <string>

#include "env/environment.h"

namespace mk::kubelet {

// The pod's spec.securityContext.fsGroup.
std::optional<std::int64_t> fs_group(const Json& pod);

// Gives a directory to a group and lets what is made in it belong to the group, too. Blocking.
Result<void> own_by_group(const std::string& path, std::int64_t gid);

// The same for everything below, files too; never leaves the file system. Blocking.
Result<void> own_tree_by_group(const std::string& path, std::int64_t gid);

}  // namespace mk::kubelet
