#pragma once

#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include <unistd.h>

#include "mk/base/result.h"

// What the lower half of the kubelet shares for talking to the kernel.
namespace mk::kubelet {

// Owns a descriptor.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~UniqueFd() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_ = -1;
};

// errno as an Error; call it before anything else changes errno.
inline Error sys_error(std::string_view what, std::string_view subject) {
  const int code = errno;
  const Reason reason = code == ENOENT ? Reason::kNotFound : Reason::kInternalError;
  std::string hint = code == ENOSPC ? " (free space or move the data directory)" : "";
  return Error(reason, std::string(what) + " " + std::string(subject) + ": " + std::strerror(code) + hint);
}

bool write_fully(int fd, std::string_view bytes);

// Atomic against a crash of the process, not durable: for files in the run directory, which a reboot voids.
Result<void> replace_file(const std::string& path, std::string_view content, unsigned mode = 0600);

// Flushes everything below `path`'s file system, then renames and flushes the folder: what appears under
// `to` is whole, also after a power cut.
Result<void> publish(const std::string& from, const std::string& to);

}  // namespace mk::kubelet
