#pragma once

#include "log_file.h"

namespace mk::supervisor {

// Somebody who watches a container's output: gets it besides the log. What he does not take waits here and
// stops reading from the container; whoever takes nothing for ten seconds is let go.
struct Watcher {
  int fd = -1;
  bool error_stream = false;
  char* pending = nullptr;
  size_t pending_size = 0;
  int64_t stalled_since = 0;
  Watcher* next = nullptr;

  bool stalled() const { return pending_size > 0; }

  void give(const char* data, size_t size) {
    if (fd < 0) return;
    if (pending_size == 0) {
      const ssize_t put = write(fd, data, size);
      if (put < 0 && errno != EAGAIN) return close_fd(fd);
      if (put > 0) data += put, size -= size_t(put);
      if (size == 0) return;
      stalled_since = mono_ms();
    }
    auto* grown = static_cast<char*>(realloc(pending, pending_size + size));
    if (grown == nullptr) return drop();
    pending = grown;
    memcpy(pending + pending_size, data, size);
    pending_size += size;
  }

  void flush() {
    const ssize_t put = write(fd, pending, pending_size);
    if (put < 0 && errno == EAGAIN) return;
    if (put < 0) return drop();
    memmove(pending, pending + put, pending_size - size_t(put));
    pending_size -= size_t(put);
    stalled_since = mono_ms();
  }

  void drop() {
    free(pending);
    pending = nullptr;
    pending_size = 0;
    close_fd(fd);
  }
};

struct Container {
  char id[160] = "";
  char oom_file[512] = "";  // where the kernel counts OOM kills
  pid_t pid = 0;            // 0: not created yet, or gone
  bool tty = false, stdin_once = false, started = false, exited = false;
  int exit_code = 0, exit_signal = 0;
  bool oom = false;
  int64_t started_at = 0, finished_at = 0;
  int in = -1;             // our end of its stdin
  int out = -1, err = -1;  // our ends of its output; with a tty `out` (and a copy in `in`) is the pty
  int console = -1;        // listening, until runc hands the pty over
  LogFile log;
  LineCutter cut_out, cut_err;
  Watcher* watchers = nullptr;
  Container* next = nullptr;

  bool stalled() const {
    for (Watcher* watcher = watchers; watcher; watcher = watcher->next)
      if (watcher->stalled()) return true;
    return false;
  }

  // Reads what is there; false at the end of the stream.
  bool drain(bool error_stream, bool all) {
    int& fd = error_stream ? err : out;
    static char buffer[16384];
    while (fd >= 0) {
      const ssize_t got = read(fd, buffer, sizeof buffer);
      if (got < 0 && (errno == EAGAIN || errno == EINTR)) return true;
      if (got <= 0) {
        (error_stream ? cut_err : cut_out).finish(log, error_stream ? "stderr" : "stdout");
        close_fd(fd);
        end_watchers(error_stream);
        return false;
      }
      (error_stream ? cut_err : cut_out).feed(log, error_stream ? "stderr" : "stdout", buffer, size_t(got));
      for (Watcher* watcher = watchers; watcher; watcher = watcher->next)
        if (watcher->error_stream == error_stream) watcher->give(buffer, size_t(got));
      if (!all || stalled()) return true;
    }
    return false;
  }

  // Closes those who have all they can get.
  void end_watchers(bool error_stream) {
    for (Watcher* watcher = watchers; watcher; watcher = watcher->next)
      if (watcher->error_stream == error_stream && !watcher->stalled()) watcher->drop();
  }

  void count_oom() {
    char text[1024];
    read_small(oom_file, text, sizeof text);
    const char* found = strstr(text, "oom_kill ");  // not "oom_kill_disable "
    oom = found != nullptr && atoi(found + 9) > 0 && exit_code != 0;
  }
};

}  // namespace mk::supervisor
