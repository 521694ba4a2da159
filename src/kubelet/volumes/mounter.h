#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "mk/base/result.h"

namespace mk::kubelet {

// The mounts the kubelet makes itself. Blocking: for threads of the pool.
class Mounter {
 public:
  virtual ~Mounter() = default;
  // Fine when `path` is a mount point already. size 0: the kernel's default.
  virtual Result<void> tmpfs(const std::string& path, std::int64_t size, unsigned mode) = 0;
  // Binds the file or directory behind an open descriptor.
  virtual Result<void> bind_fd(int fd, const std::string& target) = 0;
  // Detaches every mount at or below `path`, the deepest first.
  virtual Result<void> unmount_below(const std::string& path) = 0;
};

std::unique_ptr<Mounter> make_mounter();

}  // namespace mk::kubelet
