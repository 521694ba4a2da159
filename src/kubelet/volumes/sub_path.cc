#include "volumes/sub_path.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "mk/base/strings.h"

namespace mk::kubelet {

namespace {

int open_beneath(int root, const std::string& path, std::uint64_t flags) {
  open_how how{};
  how.flags = flags | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  return static_cast<int>(::syscall(SYS_openat2, root, path.c_str(), &how, sizeof how));
}

// Creates the missing directories of `path` below `root`, each inside the parent that was safely opened.
bool make_beneath(int root, const std::string& path) {
  std::string done;
  for (const auto part : split(path, '/')) {
    if (part.empty() || part == ".") continue;
    const int parent = done.empty() ? ::dup(root) : open_beneath(root, done, O_PATH | O_DIRECTORY);
    if (parent < 0) return false;
    const std::string name(part);
    const bool made = ::mkdirat(parent, name.c_str(), 0755) == 0;
    const int code = errno;
    if (made) ::fchmodat(parent, name.c_str(), 0755, 0);
    ::close(parent);
    errno = code;
    if (!made && code != EEXIST) return false;
    done += (done.empty() ? "" : "/") + name;
  }
  return true;
}

}  // namespace

std::string check_sub_path(const std::string& sub_path) {
  if (!sub_path.empty() && sub_path.front() == '/') return "must not be an absolute path";
  if (sub_path.find('`') != std::string::npos) return "must not contain backticks";
  for (const auto part : split(sub_path, '/'))
    if (part == "..") return "must not contain '..'";
  return "";
}

Result<int> open_sub_path(const std::string& volume_root, const std::string& sub_path) {
  const int root = ::open(volume_root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  const auto error = [&](std::string_view what) {
    return Error(Reason::kInvalid,
                 fmt::format("{} subPath \"{}\" of {}: {}", what, sub_path, volume_root,
                             errno == EXDEV ? "it leads out of the volume" : std::strerror(errno)));
  };
  if (root < 0) return error("open");
  int fd = open_beneath(root, sub_path, O_PATH);
  if (fd < 0 && errno == ENOENT && make_beneath(root, sub_path)) fd = open_beneath(root, sub_path, O_PATH);
  Result<int> result = fd;
  if (fd < 0) result = error("open");
  ::close(root);
  return result;
}

}  // namespace mk::kubelet
