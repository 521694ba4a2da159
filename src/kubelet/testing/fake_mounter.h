#pragma once

#include <sys/stat.h>

#include <string>
#include <vector>

#include "volumes/mounter.h"

namespace mk::kubelet {

// Mounts nothing: a tmpfs is the plain directory, a bind is remembered.
class FakeMounter : public Mounter {
 public:
  Result<void> tmpfs(const std::string& path, std::int64_t size, unsigned mode) override {
    tmpfs_mounts.push_back(path + " size=" + std::to_string(size));
    ::chmod(path.c_str(), mode);
    return ok();
  }
  Result<void> bind_fd(int, const std::string& target) override {
    binds.push_back(target);
    return ok();
  }
  Result<void> unmount_below(const std::string&) override { return ok(); }

  std::vector<std::string> tmpfs_mounts, binds;
};

}  // namespace mk::kubelet
