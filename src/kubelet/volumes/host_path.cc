#include "volumes/host_path.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include "mk/base/files.h"

namespace mk::kubelet {

Result<void> prepare_host_path(const std::string& path, const std::string& type) {
  struct stat info;
  const bool exists = ::stat(path.c_str(), &info) == 0;
  if (type.empty())
    return exists ? ok() : make_dirs(path);  // what a container runtime does with a missing source
  if (!exists && type == "DirectoryOrCreate") return make_dirs(path);
  if (!exists && type == "FileOrCreate") return write_file(path, "");
  const auto wrong = [&](const char* what) {
    return Error(Reason::kInvalid, fmt::format("hostPath type check failed: {} is not a {}", path, what));
  };
  if (type == "Directory" || type == "DirectoryOrCreate")
    return exists && S_ISDIR(info.st_mode) ? ok() : Result<void>(wrong("directory"));
  if (type == "File" || type == "FileOrCreate")
    return exists && S_ISREG(info.st_mode) ? ok() : Result<void>(wrong("file"));
  if (type == "Socket") return exists && S_ISSOCK(info.st_mode) ? ok() : Result<void>(wrong("socket file"));
  if (type == "CharDevice")
    return exists && S_ISCHR(info.st_mode) ? ok() : Result<void>(wrong("character device"));
  if (type == "BlockDevice")
    return exists && S_ISBLK(info.st_mode) ? ok() : Result<void>(wrong("block device"));
  return Error(Reason::kInvalid, fmt::format("unknown hostPath type \"{}\"", type));
}

}  // namespace mk::kubelet
