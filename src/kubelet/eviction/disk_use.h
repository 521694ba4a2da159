#pragma once

#include <cstdint>
#include <string>

namespace mk::kubelet {

struct DiskUse {
  std::int64_t bytes = 0, inodes = 0;
};
// What a folder and all below it take of its file system, as du counts; what is mounted inside belongs to
// others. 0 when it is not there. Blocking, as long as the tree is big.
DiskUse disk_use(const std::string& folder);

}  // namespace mk::kubelet
