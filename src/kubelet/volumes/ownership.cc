#include "volumes/ownership.h"

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

}  // namespace mk::kubelet
