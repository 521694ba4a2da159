#include "mk/rt/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

extern char** environ;

namespace mk::rt {
namespace {

class Pipe {
 public:
  bool open() { return ::pipe2(ends_.data(), O_CLOEXEC) == 0; }
  ~Pipe() { close_read(), close_write(); }
  int read_end() const { return ends_[0]; }
  int write_end() const { return ends_[1]; }
  void close_read() { close(ends_[0]); }
  void close_write() { close(ends_[1]); }

 private:
  static void close(int& fd) {
    if (fd >= 0) ::close(fd);
    fd = -1;
  }
  std::array<int, 2> ends_{-1, -1};
};

std::vector<char*> pointers(const std::vector<std::string>& strings) {
  std::vector<char*> out;
  for (const auto& text : strings) out.push_back(const_cast<char*>(text.c_str()));
  out.push_back(nullptr);
  return out;
}

Error start_error(const std::string& program, int code) {
  if (code == ENOENT)
    return Error(Reason::kNotFound, "cannot start " + program + ": not found; install it or add it to PATH");
  return Error(Reason::kInternalError, "cannot start " + program + ": " + std::strerror(code));
}

Result<pid_t> start(const Command& command, const Pipe& in, const Pipe& out, const Pipe& err) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  ::posix_spawn_file_actions_adddup2(&actions, in.read_end(), 0);
  ::posix_spawn_file_actions_adddup2(&actions, out.write_end(), 1);
  ::posix_spawn_file_actions_adddup2(&actions, err.write_end(), 2);
  if (!command.working_dir.empty())
    ::posix_spawn_file_actions_addchdir_np(&actions, command.working_dir.c_str());
  // Own process group (so that a timeout reaches its children), no signal blocked or ignored.
  sigset_t none, all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  auto argv = pointers(command.argv);
  std::vector<char*> env;
  if (command.env) env = pointers(*command.env);
  pid_t pid = 0;
  const int code =
      ::posix_spawnp(&pid, argv[0], &actions, &attributes, argv.data(), command.env ? env.data() : environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  if (code != 0) return start_error(command.argv[0], code);
  return pid;
}

void keep(std::string& kept, const char* data, std::size_t size, std::size_t limit) {
  kept.append(data, std::min(size, limit - std::min(limit, kept.size())));
}

// Moves bytes until both outputs are closed or the time is up; false when it was up.
bool exchange(const Command& command, Pipe& in, Pipe& out, Pipe& err, ProcessResult& result) {
  const auto deadline = std::chrono::steady_clock::now() + command.timeout;
  std::string_view input = command.input;
  if (input.empty()) in.close_write();
  while (out.read_end() >= 0 || err.read_end() >= 0) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    std::array<pollfd, 3> fds{
        {{out.read_end(), POLLIN, 0}, {err.read_end(), POLLIN, 0}, {in.write_end(), POLLOUT, 0}}};
    if (::poll(fds.data(), fds.size(), static_cast<int>(std::min<long long>(left.count(), 60000))) < 0)
      continue;
    char buffer[16384];
    auto drain = [&](const pollfd& fd, Pipe& pipe, std::string& kept) {
      if (fd.fd < 0 || fd.revents == 0) return;
      const ssize_t got = ::read(fd.fd, buffer, sizeof buffer);
      if (got > 0) keep(kept, buffer, static_cast<std::size_t>(got), command.output_max);
      if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN)) pipe.close_read();
    };
    drain(fds[0], out, result.out);
    drain(fds[1], err, result.err);
    if (fds[2].fd >= 0 && fds[2].revents != 0) {
      const ssize_t put = ::write(fds[2].fd, input.data(), input.size());
      if (put > 0) input.remove_prefix(static_cast<std::size_t>(put));
      if (input.empty() || (put < 0 && errno != EINTR && errno != EAGAIN)) in.close_write();
    }
  }
  return true;
}

int wait_for(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

Result<ProcessResult> run_process_blocking(const Command& command) {
  MK_ASSERT(!command.argv.empty());
  Pipe in, out, err;
  if (!in.open() || !out.open() || !err.open()) return start_error(command.argv[0], errno);
  ::fcntl(in.write_end(), F_SETFL, O_NONBLOCK);
  // A program that closes its input early must not kill us with SIGPIPE: the process ignores it (cmd/main).
  MK_ASSIGN(const pid_t pid, start(command, in, out, err));
  in.close_read(), out.close_write(), err.close_write();
  ProcessResult result;
  result.timed_out = !exchange(command, in, out, err, result);
  if (result.timed_out) ::kill(-pid, SIGKILL);
  result.exit_code = wait_for(pid);
  return result;
}

Task<Result<ProcessResult>> run_process(BlockingPool& pool, Command command) {
  auto work = [command = std::move(command)] { return run_process_blocking(command); };
  co_return co_await pool.run(std::move(work));
}

}  // namespace mk::rt
