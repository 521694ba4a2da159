#include "volumes/plain_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace mk::kubelet {

Result<void> write_plain_file(const std::string& path, std::string_view content, unsigned mode) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
  if (fd < 0) return Error(Reason::kInternalError, "create " + path + ": " + std::strerror(errno));
  bool good = ::fchmod(fd, mode) == 0;
  while (good && !content.empty()) {
    const auto put = ::write(fd, content.data(), content.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0)
      good = false;
    else
      content.remove_prefix(static_cast<std::size_t>(put));
  }
  Result<void> result;
  if (!good) result = Error(Reason::kInternalError, "write " + path + ": " + std::strerror(errno));
  ::close(fd);
  return result;
}

}  // namespace mk::kubelet
