#pragma once

#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "system.h"

namespace mk::supervisor {

struct Options {
  const char* folder = nullptr;  // the pod's, becomes the working directory
  const char* runc = "runc";
  const char* root = nullptr;  // runc's state
  const char* hostname = nullptr;
  bool net = false, ipc = false, uts = false, pid = false;  // namespaces to make
  int64_t log_size = 10 << 20;
  int log_files = 5;
  const char* sysctls[64];  // "name=value"
  int sysctl_count = 0;
};

// Both return nullptr, or what failed (errno says why).
inline const char* loopback_up() {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq request{};
  strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP;
  const bool good = fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &request) == 0;
  if (fd >= 0) close(fd);
  return good ? nullptr : "bring lo up";
}

inline const char* set_sysctl(const char* setting) {
  static char path[512];
  snprintf(path, sizeof path, "/proc/sys/%s", setting);
  char* equals = strchr(path, '=');
  if (equals == nullptr) return "sysctl without value";
  *equals = '\0';
  // Dots separate, but a name may be given with slashes (interfaces with a dot in their name).
  if (strchr(path + 10, '/') == nullptr)
    for (char* c = path + 10; *c != '\0'; ++c)
      if (*c == '.') *c = '/';
  if (strstr(path, "..") != nullptr) return "sysctl with an impossible name";
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return path;
  const char* value = setting + (equals - path) - 10;
  const bool good = write(fd, value + 1, strlen(value + 1)) >= 0;
  close(fd);
  return good ? nullptr : path;
}

inline const char* make_namespaces(const Options& options) {
  const int flags =
      (options.net ? CLONE_NEWNET : 0) | (options.ipc ? CLONE_NEWIPC : 0) | (options.uts ? CLONE_NEWUTS : 0);
  if (flags != 0 && unshare(flags) != 0) return "make namespaces";
  if (options.net)
    if (const char* failed = loopback_up()) return failed;
  if (options.uts && options.hostname != nullptr &&
      sethostname(options.hostname, strlen(options.hostname)) != 0)
    return "set the hostname";
  for (int i = 0; i < options.sysctl_count; ++i)
    if (const char* failed = set_sysctl(options.sysctls[i])) return failed;
  return nullptr;
}

// The init of a pid namespace that containers share: reaps what is orphaned there, and ends with the
// supervisor, which ends everything in the namespace.
inline pid_t start_pid_namespace() {
  const pid_t pid = pid_t(syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0));
  if (pid != 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_NAME, "pause");
  struct sigaction action {};
  action.sa_handler = SIG_IGN;
  action.sa_flags = SA_NOCLDWAIT;
  sigaction(SIGCHLD, &action, nullptr);
  syscall(SYS_close_range, 0u, ~0u, 0u);
  for (;;) pause();
}

}  // namespace mk::supervisor
