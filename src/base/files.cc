#include "mk/base/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "mk/base/ids.h"

namespace mk {
namespace {

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

Error errno_error(const char* what, const std::string& path) {
  const int code = errno;
  const Reason reason = code == ENOENT ? Reason::kNotFound : Reason::kInternalError;
  return Error(reason, std::string(what) + " " + path + ": " + std::strerror(code));
}

bool write_all(int fd, std::string_view content) {
  while (!content.empty()) {
    const ssize_t put = ::write(fd, content.data(), content.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    content.remove_prefix(static_cast<std::size_t>(put));
  }
  return true;
}

std::string parent_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// Deletes what is below `at` on the device `device`; a mount point below is left alone and reported.
Result<void> remove_below(int at, const char* name, dev_t device, const std::string& path) {
  struct stat info;
  if (::fstatat(at, name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return ok();
    return errno_error("stat", path);
  }
  if (info.st_dev != device) return Error(Reason::kConflict, "remove " + path + ": it is a mount point");
  if (!S_ISDIR(info.st_mode)) {
    if (::unlinkat(at, name, 0) != 0 && errno != ENOENT) return errno_error("remove", path);
    return ok();
  }
  const int fd = ::openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return errno_error("open", path);
  DIR* dir = ::fdopendir(fd);
  if (dir == nullptr) {
    ::close(fd);
    return errno_error("open", path);
  }
  Result<void> result;
  while (const dirent* entry = ::readdir(dir)) {
    const std::string_view child = entry->d_name;
    if (child == "." || child == "..") continue;
    if (auto removed = remove_below(fd, entry->d_name, device, path + "/" + entry->d_name); !removed.ok())
      result = std::move(removed);
  }
  ::closedir(dir);
  if (!result.ok()) return result;
  if (::unlinkat(at, name, AT_REMOVEDIR) != 0 && errno != ENOENT) return errno_error("remove", path);
  return ok();
}

}  // namespace

Result<std::string> read_file(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) return errno_error("open", path);
  std::string content;
  char buffer[16384];
  for (;;) {
    const ssize_t got = ::read(fd.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_error("read", path);
    if (got == 0) return content;
    content.append(buffer, static_cast<std::size_t>(got));
  }
}

Result<void> write_file(const std::string& path, std::string_view content, unsigned mode) {
  const std::string temporary = path + ".tmp-" + random_token(8);
  {
    const Fd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
    if (fd.get() < 0) return errno_error("create", temporary);
    ::fchmod(fd.get(), mode);  // the mode asked for, whatever the umask
    if (!write_all(fd.get(), content) || ::fsync(fd.get()) != 0) {
      Error error = errno_error("write", temporary);
      ::unlink(temporary.c_str());
      return error;
    }
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    Error error = errno_error("rename to", path);
    ::unlink(temporary.c_str());
    return error;
  }
  const Fd folder(::open(parent_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() < 0 || ::fsync(folder.get()) != 0) return errno_error("sync the folder of", path);
  return ok();
}

Result<void> make_dirs(const std::string& path, unsigned mode) {
  if (path.empty() || ::mkdir(path.c_str(), mode) == 0) return ok();
  if (errno == EEXIST) {
    struct stat info;
    if (::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return ok();
    return Error(Reason::kConflict, "create " + path + ": it exists and is not a folder");
  }
  if (errno != ENOENT) return errno_error("create", path);
  MK_TRY(make_dirs(parent_of(path), mode));
  if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) return errno_error("create", path);
  return ok();
}

bool file_exists(const std::string& path) {
  return ::access(path.c_str(), F_OK) == 0;
}

Result<void> remove_tree(const std::string& path) {
  struct stat parent;
  if (::stat(parent_of(path).c_str(), &parent) != 0) return ok();
  return remove_below(AT_FDCWD, path.c_str(), parent.st_dev, path);
}

}  // namespace mk
