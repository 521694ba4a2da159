#pragma once

#include <string>
#include <vector>

#include "mk/base/result.h"

namespace mk::kubelet {

// A container's root file system: overlayfs over the image's layers. Blocking.
// Mounts it at <folder>/rootfs, with what the container writes in <folder>/upper. `layers` are folders within
// `layers_dir`, topmost first.
Result<void> mount_rootfs(const std::string& folder, const std::string& layers_dir,
                          const std::vector<std::string>& layers);
// An image's layers alone, read-only, on the folder `target` unless it is a mount point already.
Result<void> mount_layers(const std::string& target, const std::string& layers_dir,
                          const std::vector<std::string>& layers);
// Unmounts and deletes the folder; fine when it is not there.
Result<void> remove_rootfs(const std::string& folder);
// A pod's /dev/shm.
Result<void> mount_shm(const std::string& folder);
void unmount(const std::string& folder);

}  // namespace mk::kubelet
