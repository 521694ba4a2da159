#include "eviction/disk_use.h"

#include <fts.h>
#include <sys/stat.h>

#include <memory>
#include <set>

namespace mk::kubelet {

DiskUse disk_use(const std::string& folder) {
  constexpr std::int64_t kBlock = 512;  // the unit of st_blocks, whatever the file system's is
  std::string path = folder;
  char* roots[] = {path.data(), nullptr};
  const std::unique_ptr<FTS, int (*)(FTS*)> walk(
      ::fts_open(roots, FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, nullptr), ::fts_close);
  DiskUse out;
  std::set<ino_t> linked;  // files with several names count once
  while (walk) {
    const FTSENT* entry = ::fts_read(walk.get());
    if (entry == nullptr) break;
    if (entry->fts_info == FTS_DP || entry->fts_info == FTS_NS || entry->fts_info == FTS_ERR) continue;
    const struct stat& info = *entry->fts_statp;
    if (!S_ISDIR(info.st_mode) && info.st_nlink > 1 && !linked.insert(info.st_ino).second) continue;
    out.bytes += static_cast<std::int64_t>(info.st_blocks) * kBlock;
    ++out.inodes;
  }
  return out;
}

}  // namespace mk::kubelet
