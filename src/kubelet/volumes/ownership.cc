#include "volumes/ownership.h"

#include <fts.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace mk::kubelet {

std::optional<std::int64_t> fs_group(const Json& pod) {
  if (api::find(pod, "spec.securityContext.fsGroup") == nullptr) return std::nullopt;
  return api::num(pod, "spec.securityContext.fsGroup");
}

Result<void> own_by_group(const std::string& path, std::int64_t gid) {
  struct stat info;
  if (::stat(path.c_str(), &info) != 0)
    return Error(Reason::kInternalError, "stat " + path + ": " + std::strerror(errno));
  if (::chown(path.c_str(), static_cast<uid_t>(-1), static_cast<gid_t>(gid)) != 0)
    return Error(Reason::kInternalError, "chown " + path + ": " + std::strerror(errno));
  ::chmod(path.c_str(), (info.st_mode & 07777) | 0070 | S_ISGID);
  return ok();
}

Result<void> own_tree_by_group(const std::string& path, std::int64_t gid) {
  char* const roots[] = {const_cast<char*>(path.c_str()), nullptr};
  FTS* walk = ::fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, nullptr);
  if (walk == nullptr) return Error(Reason::kInternalError, "walk " + path + ": " + std::strerror(errno));
  Result<void> out = ok();
  while (const FTSENT* entry = ::fts_read(walk)) {
    if (entry->fts_info == FTS_DP) continue;  // seen on the way in
    if (::lchown(entry->fts_path, static_cast<uid_t>(-1), static_cast<gid_t>(gid)) != 0)
      out = Error(Reason::kInternalError,
                  std::string("chown ") + entry->fts_path + ": " + std::strerror(errno));
    if (entry->fts_info != FTS_D && entry->fts_info != FTS_F) continue;
    const mode_t more = entry->fts_info == FTS_D ? 0070 | S_ISGID : 0060;
    ::chmod(entry->fts_path, (entry->fts_statp->st_mode & 07777) | more);
  }
  ::fts_close(walk);
  return out;
}

}  // namespace mk::kubelet
