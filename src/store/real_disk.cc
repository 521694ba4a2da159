#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "mk/store/disk.h"
#include "paths.h"

namespace mk::store {
namespace {

Error system_error(const char* what, const std::string& path) {
  const int code = errno;
  const std::string text = std::string(what) + " " + path + ": " + std::strerror(code);
  switch (code) {
    case ENOSPC:
    case EDQUOT:
      return Error(Reason::kServiceUnavailable, text + "; free some space");
    case ENOENT:
    case ENOTDIR:
      return Error(Reason::kNotFound, text);
    case EACCES:
    case EPERM:
    case EROFS:
      return Error(Reason::kForbidden, text + "; is the data directory writable?");
    default:
      return Error(Reason::kInternalError, text);
  }
}

class RealFile : public File {
 public:
  RealFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~RealFile() override {
    ::close(fd_);
    end_bypass();
  }

  Result<std::string> read(std::uint64_t offset, std::size_t size) override {
    std::string out(size, '\0');
    std::size_t got = 0;
    while (got < size) {
      const ssize_t part = ::pread(fd_, out.data() + got, size - got, static_cast<off_t>(offset + got));
      if (part < 0 && errno == EINTR) continue;
      if (part < 0) return system_error("read", path_);
      if (part == 0) break;
      got += static_cast<std::size_t>(part);
    }
    out.resize(got);
    return out;
  }

  Result<void> write(std::uint64_t offset, std::string_view bytes) override {
    const bool sectors = offset % kSector == 0 && bytes.size() % kSector == 0;
    while (sectors && direct_ >= 0 && !bytes.empty()) {
      const std::size_t size = std::min(bytes.size(), kBuffer);
      std::memcpy(buffer_.get(), bytes.data(), size);
      const ssize_t part = ::pwrite(direct_, buffer_.get(), size, static_cast<off_t>(offset));
      if (part < 0 && errno == EINTR) continue;
      // The device has larger sectors; nothing was written.
      if (part < 0 && errno == EINVAL) end_bypass();
      if (part < 0 && direct_ < 0) break;
      if (part < 0) return system_error("write", path_);
      offset += static_cast<std::uint64_t>(part);
      bytes.remove_prefix(static_cast<std::size_t>(part));
      if (part % static_cast<ssize_t>(kSector) != 0) break;
    }
    while (!bytes.empty()) {
      const ssize_t part = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (part < 0 && errno == EINTR) continue;
      if (part < 0) return system_error("write", path_);
      offset += static_cast<std::uint64_t>(part);
      bytes.remove_prefix(static_cast<std::size_t>(part));
    }
    return ok();
  }

  Result<void> truncate(std::uint64_t size) override {
    if (::ftruncate(fd_, static_cast<off_t>(size)) != 0) return system_error("truncate", path_);
    return ok();
  }

  Result<std::uint64_t> size() override {
    struct stat info;
    if (::fstat(fd_, &info) != 0) return system_error("stat", path_);
    return static_cast<std::uint64_t>(info.st_size);
  }

  bool bypass_cache() override {
    if (direct_ >= 0) return true;
    direct_ = ::open(path_.c_str(), O_RDWR | O_CLOEXEC | O_DIRECT);
    if (direct_ < 0) return false;
    buffer_.reset(static_cast<char*>(std::aligned_alloc(kAlignment, kBuffer)));
    MK_ASSERT(buffer_ != nullptr);
    return true;
  }

  // fdatasync and not fsync: it writes a changed size, but no time stamps.
  Result<void> sync() override {
    if (::fdatasync(fd_) != 0) return system_error("sync", path_);
    return ok();
  }

 private:
  static constexpr std::size_t kSector = 512, kAlignment = 4096, kBuffer = 256 << 10;
  struct Free {
    void operator()(char* memory) const { std::free(memory); }
  };

  void end_bypass() {
    if (direct_ >= 0) ::close(direct_);
    direct_ = -1;
    buffer_.reset();
  }

  const int fd_;
  const std::string path_;
  int direct_ = -1;  // the same file; what it writes must come from aligned memory
  std::unique_ptr<char, Free> buffer_;
};

class RealDisk : public Disk {
 public:
  bool is_system() const override { return true; }
  Result<std::unique_ptr<File>> open(const std::string& path, Open mode) override {
    const int create = mode == Open::kCreate ? O_CREAT : 0;
    const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC | create, 0600);
    if (fd < 0) return system_error("open", path);
    return std::unique_ptr<File>(std::make_unique<RealFile>(fd, path));
  }

  Result<void> make_dirs(const std::string& path) override {
    MK_ASSIGN(const bool there, exists(path));
    if (there) return ok();
    const std::string parent = parent_of(path);
    MK_TRY(make_dirs(parent));
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return system_error("make directory", path);
    return sync_dir(parent);
  }

  Result<std::vector<std::string>> list(const std::string& dir) override {
    DIR* opened = ::opendir(dir.c_str());
    if (opened == nullptr) return system_error("list", dir);
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = ::readdir(opened)) {
      struct stat info;
      if (::fstatat(::dirfd(opened), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(info.st_mode))
        names.emplace_back(entry->d_name);
      errno = 0;
    }
    const bool whole = errno == 0;
    std::optional<Error> failure;
    if (!whole) failure = system_error("list", dir);
    ::closedir(opened);
    if (failure) return std::move(*failure);
    std::sort(names.begin(), names.end());
    return names;
  }

  Result<bool> exists(const std::string& path) override {
    struct stat info;
    if (::stat(path.c_str(), &info) == 0) return true;
    if (errno == ENOENT || errno == ENOTDIR) return false;
    return system_error("stat", path);
  }

  Result<void> rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) return system_error("rename", from);
    return ok();
  }

  Result<void> remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) return system_error("remove", path);
    return ok();
  }

  Result<void> sync_dir(const std::string& dir) override {
    const int fd = ::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return system_error("open", dir);
    std::optional<Error> failure;
    if (::fsync(fd) != 0) failure = system_error("sync", dir);
    ::close(fd);
    if (failure) return std::move(*failure);
    return ok();
  }

  Result<std::uint64_t> free_bytes(const std::string& dir) override {
    struct statvfs info;
    if (::statvfs(dir.c_str(), &info) != 0) return system_error("stat", dir);
    return static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
  }
};

}  // namespace

std::unique_ptr<Disk> make_real_disk() {
  return std::make_unique<RealDisk>();
}

}  // namespace mk::store
