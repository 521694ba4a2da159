#include "images/fs.h"

#include <fcntl.h>
#include <stdio.h>

namespace mk::kubelet {

bool write_fully(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(fd, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
  return true;
}

Result<void> replace_file(const std::string& path, std::string_view content, unsigned mode) {
  // Always the same name, so that crashes do not leave one file more each.
  const std::string temporary = path + ".tmp";
  UniqueFd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode));
  if (!fd) return sys_error("create", temporary);
  if (!write_fully(fd.get(), content) || ::rename(temporary.c_str(), path.c_str()) != 0) {
    Error error = sys_error("write", path);
    ::unlink(temporary.c_str());
    return error;
  }
  return ok();
}

Result<void> publish(const std::string& from, const std::string& to) {
  const UniqueFd source(::open(from.c_str(), O_RDONLY | O_CLOEXEC));
  if (!source || ::syncfs(source.get()) != 0) return sys_error("sync", from);
  if (::rename(from.c_str(), to.c_str()) != 0) return sys_error("rename to", to);
  const UniqueFd folder(::open(to.substr(0, to.rfind('/')).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder || ::fsync(folder.get()) != 0) return sys_error("sync the folder of", to);
  return ok();
}

}  // namespace mk::kubelet
