#pragma once

#include <dirent.h>
#include <sys/stat.h>

#include "system.h"

namespace mk::supervisor {

constexpr size_t kLineMax = 16384;

// A container's log in CRI format: "<RFC 3339 nanoseconds> <stream> <F|P> <text>\n". Rotates itself by
// renaming to "<path>.<time>", as the kubelet names rotated logs.
class LogFile {
 public:
  void open_at(const char* path, int64_t size_max, int files_max) {
    snprintf(path_, sizeof path_, "%s", path);
    size_max_ = size_max;
    files_max_ = files_max;
    reopen();
  }
  ~LogFile() { close_fd(fd_); }

  // One line or part of one, without its newline. A full disk loses lines; it must not stop the container.
  void write_line(const char* stream, bool full, const char* text, size_t size) {
    if (fd_ < 0) return;
    if (size_ >= size_max_) rotate();
    static char line[kLineMax + 80];
    const int64_t now = now_ns();
    const time_t seconds = now / 1000000000;
    tm parts;
    gmtime_r(&seconds, &parts);
    int used = snprintf(line, 80, "%04d-%02d-%02dT%02d:%02d:%02d.%09dZ %s %c ", parts.tm_year + 1900,
                        parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                        int(now % 1000000000), stream, full ? 'F' : 'P');
    memcpy(line + used, text, size);
    line[size_t(used) + size] = '\n';
    if (write_whole(fd_, line, size_t(used) + size + 1)) size_ += used + int64_t(size) + 1;
  }

 private:
  void reopen() {
    close_fd(fd_);
    if (path_[0] == '\0') return;
    fd_ = open(path_, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    struct stat info;
    size_ = fd_ >= 0 && fstat(fd_, &info) == 0 ? info.st_size : 0;
  }

  void rotate() {
    char name[sizeof path_ + 40];
    const time_t seconds = time(nullptr);
    tm parts;
    gmtime_r(&seconds, &parts);
    // The count keeps names of one second apart and in order.
    snprintf(name, sizeof name, "%s.%04d%02d%02d-%02d%02d%02d.%06u", path_, parts.tm_year + 1900,
             parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
             ++rotations_ % 1000000);
    if (rename(path_, name) != 0) return;
    reopen();
    delete_oldest();
  }

  // At most files_max_ stay, the current one included. Names sort by age.
  void delete_oldest() {
    char folder[sizeof path_];
    snprintf(folder, sizeof folder, "%s", path_);
    char* slash = strrchr(folder, '/');
    if (slash == nullptr) return;
    *slash = '\0';
    const char* base = slash + 1;
    for (;;) {
      char oldest[256] = "";
      int count = 0;
      DIR* dir = opendir(folder);
      if (dir == nullptr) return;
      while (const dirent* entry = readdir(dir)) {
        if (strncmp(entry->d_name, base, strlen(base)) != 0 || entry->d_name[strlen(base)] != '.') continue;
        ++count;
        if (oldest[0] == '\0' || strcmp(entry->d_name, oldest) < 0)
          snprintf(oldest, sizeof oldest, "%s", entry->d_name);
      }
      const bool done = count < files_max_ || unlinkat(dirfd(dir), oldest, 0) != 0;
      closedir(dir);
      if (done) return;
    }
  }

  char path_[1024] = "";
  int fd_ = -1;
  int64_t size_ = 0, size_max_ = 10 << 20;
  int files_max_ = 5;
  unsigned rotations_ = 0;
};

// Cuts one stream into lines.
class LineCutter {
 public:
  void feed(LogFile& log, const char* stream, const char* data, size_t size) {
    while (size > 0) {
      const auto* newline = static_cast<const char*>(memchr(data, '\n', size));
      size_t take = newline ? size_t(newline - data) : size;
      if (take > kLineMax - used_) take = kLineMax - used_;
      memcpy(buffer_ + used_, data, take);
      used_ += take;
      data += take;
      size -= take;
      if (size > 0 && *data == '\n') {
        log.write_line(stream, true, buffer_, used_);
        used_ = 0;
        ++data;
        --size;
      } else if (used_ == kLineMax) {
        log.write_line(stream, false, buffer_, used_);
        used_ = 0;
      }
    }
  }
  // The stream has ended: what is left is part of a line that nothing terminated, and readers end it neither.
  void finish(LogFile& log, const char* stream) {
    if (used_ > 0) log.write_line(stream, false, buffer_, used_);
    used_ = 0;
  }

 private:
  char buffer_[kLineMax];  // pages of it are touched only when lines get long
  size_t used_ = 0;
};

}  // namespace mk::supervisor
