// mk-supervisor: one per pod, outlives the agent. Holds the pod's namespaces, runs runc, is the parent of
// every container and of every program exec'ed in one (as subreaper), keeps their logs and exit codes. Built
// static and without the C++ library: it costs about half a megabyte.
//
// Nothing here blocks: one poll loop serves the agent's requests, the containers' output and the ends of
// children.

#include <poll.h>
#include <sys/signalfd.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "program/arguments.h"
#include "program/state.h"

void* operator new(size_t size) {
  void* memory = calloc(1, size);
  if (memory == nullptr) _exit(70);
  return memory;
}
void operator delete(void* memory) noexcept {
  free(memory);
}
void operator delete(void* memory, size_t) noexcept {
  free(memory);
}

namespace mk::supervisor {
namespace {

// --- children

Container* find(const char* id) {
  for (Container* container = containers; container; container = container->next)
    if (strcmp(container->id, id) == 0) return container;
  return nullptr;
}

// Runs runc with these descriptors as its stdio (-1: /dev/null). The argument list ends with nullptr.
pid_t run_runc(const char* const* arguments, int in, int out, int err) {
  const pid_t pid = fork();
  if (pid != 0) return pid;
  setpgid(0, 0);
  signal(SIGPIPE, SIG_DFL);
  sigprocmask(SIG_SETMASK, &old_mask, nullptr);
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  dup2(in >= 0 ? in : null, 0);
  dup2(out >= 0 ? out : null, 1);
  dup2(err >= 0 ? err : null, 2);
  execvp(arguments[0], const_cast<char* const*>(arguments));
  _exit(127);
}

Operation* add_operation(Operation::Kind kind, pid_t runc, const Request& request, Container* container) {
  auto* operation = new Operation();
  operation->kind = kind;
  operation->runc = runc;
  operation->connection = request.connection;
  snprintf(operation->request, sizeof operation->request, "%s", request.field[0]);
  operation->container = container;
  operation->deadline = mono_ms() + kRuncMs;
  operation->next = operations;
  operations = operation;
  return operation;
}

void record_exit(Container& container, int status) {
  container.exited = true;
  container.finished_at = now_ns();
  container.exit_signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  container.exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  container.count_oom();
  // With its own pid namespace all its processes are gone: what they wrote is in the pipes, the log is
  // complete now.
  container.drain(false, true);
  container.drain(true, true);
  char path[300], text[160];
  snprintf(path, sizeof path, "containers/%s/%s", container.id, kExitName);
  snprintf(text, sizeof text, "%d %d %d %lld %lld\n", container.exit_code, container.exit_signal,
           container.oom ? 1 : 0, static_cast<long long>(container.started_at),
           static_cast<long long>(container.finished_at));
  write_record(path, text);
  container.pid = 0;
  close_fd(container.in);
  tell_watchers(container);
}

void end_exec(Exec** link, int status) {
  Exec* exec = *link;
  *link = exec->next;
  Message message;
  message.add("0").add("exec-exit").add(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
  message.add(WIFSIGNALED(status) ? WTERMSIG(status) : 0);
  send_message(exec->connection, message);
  delete exec;
}

// The end of a child known by its pid; false if nobody knows it (yet).
bool child_ended(pid_t pid, int status) {
  for (Container* container = containers; container; container = container->next)
    if (container->pid == pid) return record_exit(*container, status), true;
  for (Exec** link = &execs; *link; link = &(*link)->next)
    if ((*link)->pid == pid) return end_exec(link, status), true;
  return false;
}

void adopt_orphan(pid_t pid) {
  for (auto& orphan : orphans) {
    if (orphan.pid != pid || pid == 0) continue;
    orphan.pid = 0;
    child_ended(pid, orphan.status);
    return;
  }
}

pid_t read_pid(const char* path) {
  char text[32];
  read_small(path, text, sizeof text);
  return atoi(text);
}

void take_console(Container& container) {
  const int connection = accept4(container.console, nullptr, nullptr, SOCK_CLOEXEC);
  if (connection < 0) return;
  char data[64];
  iovec part{data, sizeof data};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  if (recvmsg(connection, &header, MSG_CMSG_CLOEXEC) > 0) {
    const cmsghdr* item = CMSG_FIRSTHDR(&header);
    if (item != nullptr && item->cmsg_type == SCM_RIGHTS) {
      memcpy(&container.out, CMSG_DATA(item), sizeof container.out);
      fcntl(container.out, F_SETFL, O_NONBLOCK);
      container.in = fcntl(container.out, F_DUPFD_CLOEXEC, 3);
    }
  }
  close(connection);
  close_fd(container.console);
}

void remove_container(Container* gone) {
  for (Container** link = &containers; *link; link = &(*link)->next) {
    if (*link != gone) continue;
    *link = gone->next;
    break;
  }
  for (Operation* operation = operations; operation; operation = operation->next)
    if (operation->container == gone) operation->container = nullptr;
  close_fd(gone->in), close_fd(gone->out), close_fd(gone->err), close_fd(gone->console);
  while (Watcher* watcher = gone->watchers) {
    gone->watchers = watcher->next;
    watcher->drop();
    delete watcher;
  }
  delete gone;
}

void created(const Operation& operation, bool good, Message& message) {
  Container* container = operation.container;
  if (container == nullptr) return;
  if (!good) return remove_container(container);
  if (container->tty && container->console >= 0) take_console(*container);
  char path[300];
  snprintf(path, sizeof path, "containers/%s/pid", container->id);
  container->pid = read_pid(path);
  message.add(container->pid);
  adopt_orphan(container->pid);
}

void exec_started(const Operation& operation, bool good, Message& message) {
  char path[128];
  snprintf(path, sizeof path, "%s.pid", operation.exec_name);
  const pid_t pid = good ? read_pid(path) : 0;
  unlink(path);
  message.add(pid);
  if (pid <= 0) return;
  execs = new Exec{pid, operation.connection, execs};
  if (operation.connection < 0) kill(-pid, SIGKILL), kill(pid, SIGKILL);
}

void finish_operation(Operation** link, int status) {
  Operation operation = **link;
  Operation* gone = *link;
  *link = gone->next;
  delete gone;
  const bool good = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  Message message;
  message.add(operation.request).add(good ? "ok" : "err");
  if (operation.kind == Operation::kCreate) created(operation, good, message);
  if (operation.kind == Operation::kStart && good && operation.container != nullptr) {
    operation.container->started = true;
    tell_watchers(*operation.container);
  }
  if (operation.kind == Operation::kExec) exec_started(operation, good, message);
  send_message(operation.connection, message);
  // After the answer, so that an agent hears of the start before the end.
  if (operation.kind == Operation::kExec && execs != nullptr) adopt_orphan(execs->pid);
}

void reap() {
  signalfd_siginfo info;
  while (read(signals, &info, sizeof info) > 0) {
  }
  int status = 0;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
    if (pid == pid_namespace) _exit(1);
    Operation** link = &operations;
    while (*link && (*link)->runc != pid) link = &(*link)->next;
    if (*link)
      finish_operation(link, status);
    else if (!child_ended(pid, status))
      orphans[orphan_next++ % 64] = {pid, status};
  }
}

// --- requests

bool open_console(Container& container, char* path, size_t size) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  snprintf(address.sun_path, sizeof address.sun_path, "c%u", ++console_number);
  unlink(address.sun_path);
  container.console = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  // Through /proc: the real path may be longer than a socket's address.
  snprintf(path, size, "/proc/%d/cwd/%s", getpid(), address.sun_path);
  return bind(container.console, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
         listen(container.console, 1) == 0;
}

void handle_create(const Request& request) {
  const char* flags = request.field[5];
  if (find(request.field[2]) != nullptr) return answer(request, false, "exists");
  auto* container = new Container();
  snprintf(container->id, sizeof container->id, "%s", request.field[2]);
  snprintf(container->oom_file, sizeof container->oom_file, "%s", request.field[6]);
  container->tty = strchr(flags, 't') != nullptr;
  container->stdin_once = strchr(flags, 'o') != nullptr;
  container->log.open_at(request.field[4], options.log_size, options.log_files);
  container->next = containers;
  containers = container;
  char pid_file[400], log_file[400], console[80];
  static char folder[256];
  if (getcwd(folder, sizeof folder) == nullptr) return answer(request, false, "getcwd");
  snprintf(pid_file, sizeof pid_file, "%s/containers/%s/pid", folder, container->id);
  snprintf(log_file, sizeof log_file, "%s/containers/%s/runc.log", folder, container->id);
  const char* arguments[] = {options.runc,  "--root",         options.root, "--log",
                             log_file,      "--log-format",   "json",       "create",
                             "--bundle",    request.field[3], "--pid-file", pid_file,
                             container->id, nullptr,          nullptr,      nullptr};
  int in[2] = {-1, -1}, out[2] = {-1, -1}, err[2] = {-1, -1};
  if (container->tty) {
    if (!open_console(*container, console, sizeof console))
      return remove_container(container), answer(request, false, "console");
    arguments[12] = "--console-socket";
    arguments[13] = console;
    arguments[14] = container->id;
  } else {
    if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0 ||
        (strchr(flags, 'i') != nullptr && pipe2(in, O_CLOEXEC) != 0))
      return remove_container(container), answer(request, false, "pipe");
    container->in = in[1], container->out = out[0], container->err = err[0];
    fcntl(out[0], F_SETFL, O_NONBLOCK), fcntl(err[0], F_SETFL, O_NONBLOCK);
  }
  const pid_t pid = run_runc(arguments, in[0], out[1], err[1]);
  close_fd(in[0]), close_fd(out[1]), close_fd(err[1]);
  if (pid < 0) return remove_container(container), answer(request, false, strerror(errno));
  add_operation(Operation::kCreate, pid, request, container);
}

void handle_start(const Request& request) {
  Container* container = find(request.field[2]);
  if (container == nullptr) return answer(request, false, "unknown");
  char log_file[300];
  static char folder[256];
  if (getcwd(folder, sizeof folder) == nullptr) return answer(request, false, "getcwd");
  snprintf(log_file, sizeof log_file, "%s/containers/%s/runc.log", folder, container->id);
  const char* arguments[] = {options.runc,   "--root", options.root, "--log",       log_file,
                             "--log-format", "json",   "start",      container->id, nullptr};
  container->started_at = now_ns();  // before: it may end before runc does
  const pid_t pid = run_runc(arguments, -1, -1, -1);
  if (pid < 0) return answer(request, false, strerror(errno));
  add_operation(Operation::kStart, pid, request, container);
}

void handle_kill(const Request& request) {
  Container* container = find(request.field[2]);
  if (container == nullptr) return answer(request, false, "unknown");
  // Not reaped by anyone else: the pid is its own until record_exit().
  if (container->pid > 0) kill(container->pid, atoi(request.field[3]));
  answer(request, true);
}

void handle_exec(const Request& request) {
  Container* container = find(request.field[2]);
  if (container == nullptr || request.fd_count != 3) return answer(request, false, "unknown");
  char pid_file[128 + 256], log_file[128 + 256];
  static char folder[256];
  if (getcwd(folder, sizeof folder) == nullptr) return answer(request, false, "getcwd");
  snprintf(pid_file, sizeof pid_file, "%s/%.60s.pid", folder, request.field[3]);
  snprintf(log_file, sizeof log_file, "%s/%.60s.log", folder, request.field[3]);
  const bool tty = request.field[5][0] != '\0';
  const char* arguments[] = {options.runc,
                             "--root",
                             options.root,
                             "--log",
                             log_file,
                             "--log-format",
                             "json",
                             "exec",
                             "--detach",
                             "--pid-file",
                             pid_file,
                             "--process",
                             request.field[4],
                             tty ? "--console-socket" : container->id,
                             tty ? request.field[5] : nullptr,
                             tty ? container->id : nullptr,
                             nullptr};
  const pid_t pid = run_runc(arguments, request.fds[0], request.fds[1], request.fds[2]);
  if (pid < 0) return answer(request, false, strerror(errno));
  auto* operation = add_operation(Operation::kExec, pid, request, container);
  snprintf(operation->exec_name, sizeof operation->exec_name, "%.60s", request.field[3]);
}

void handle_attach(Request& request) {
  Container* container = find(request.field[2]);
  if (container == nullptr || container->exited) return answer(request, false, "not running");
  for (int i = 0; i < request.fd_count && i < 2; ++i) {
    auto* watcher = new Watcher();
    watcher->fd = request.fds[i];
    request.fds[i] = -1;
    fcntl(watcher->fd, F_SETFL, O_NONBLOCK);
    watcher->error_stream = i == 1;
    watcher->next = container->watchers;
    container->watchers = watcher;
  }
  Message message;
  message.add(request.field[0]).add("ok");
  const bool input = strchr(request.field[3], 'i') != nullptr;
  send_message(request.connection, message, input || container->tty ? container->in : -1);
  if (input && container->stdin_once && !container->tty) close_fd(container->in);  // ends with that client
}

// Ends the runc calls under way, of one container or of all (nullptr): what an agent that died had begun must
// not come into being after the next one has cleaned up.
void end_operations(const Container* container) {
  for (Operation** link = &operations; *link;) {
    if (container != nullptr && (*link)->container != container) {
      link = &(*link)->next;
      continue;
    }
    const pid_t pid = (*link)->runc;
    int status = 0;
    kill(-pid, SIGKILL), kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    finish_operation(link, status);
    link = &operations;  // the list may have changed
  }
}

[[noreturn]] void quit() {
  for (Container* container = containers; container; container = container->next)
    if (container->pid > 0) kill(container->pid, SIGKILL);
  for (Exec* exec = execs; exec; exec = exec->next) kill(exec->pid, SIGKILL);
  if (pid_namespace > 0) kill(pid_namespace, SIGKILL);
  _exit(0);
}

void handle(Request& request) {
  const auto is = [&](const char* verb, int fields) {
    return request.count == fields && strcmp(request.field[1], verb) == 0;
  };
  if (is("create", 7)) return handle_create(request);
  if (is("start", 3)) return handle_start(request);
  if (is("kill", 4)) return handle_kill(request);
  if (is("exec", 6)) return handle_exec(request);
  if (is("attach", 4)) return handle_attach(request);
  if (is("list", 2) || is("watch", 2)) {
    connections[request.connection].watching |= is("watch", 2);
    for (Container* container = containers; container; container = container->next)
      send_state(request.connection, *container);
    return answer(request, true);
  }
  if (is("forget", 3)) {
    if (const Container* container = find(request.field[2])) end_operations(container);
    Container* container = find(request.field[2]);
    if (container != nullptr && container->pid > 0 && !container->exited)
      return answer(request, false, "running");
    if (container != nullptr) remove_container(container);
    return answer(request, true);
  }
  if (is("quit", 2)) {
    end_operations(nullptr);
    answer(request, true);
    quit();
  }
  answer(request, false, "what?");
}

void forget_connection(int index) {
  close_fd(connections[index].fd);
  connections[index].watching = false;
  for (Operation* operation = operations; operation; operation = operation->next)
    if (operation->connection == index) operation->connection = -1;
  // Whoever started a program and leaves, ends it. The pid is ours until it is reaped.
  for (Exec* exec = execs; exec; exec = exec->next) {
    if (exec->connection != index) continue;
    exec->connection = -1;
    kill(-exec->pid, SIGKILL), kill(exec->pid, SIGKILL);
  }
}

void receive(int index) {
  static char data[kMessageMax + 1];
  iovec part{data, kMessageMax};
  alignas(cmsghdr) char control[CMSG_SPACE(kDescriptorsMax * sizeof(int))];
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  const ssize_t got = recvmsg(connections[index].fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return forget_connection(index);
  Request request{};
  request.connection = index;
  const cmsghdr* item = CMSG_FIRSTHDR(&header);
  if (item != nullptr && item->cmsg_type == SCM_RIGHTS) {
    request.fd_count = int((item->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    memcpy(request.fds, CMSG_DATA(item), size_t(request.fd_count) * sizeof(int));
  }
  data[got] = '\0';
  for (const char* field = data; field < data + got && request.count < kFieldsMax; field += strlen(field) + 1)
    request.field[request.count++] = field;
  if (request.count >= 2) handle(request);
  for (int i = 0; i < request.fd_count; ++i) close_fd(request.fds[i]);
}

void accept_agent() {
  const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) return;
  for (auto& connection : connections) {
    if (connection.fd >= 0) continue;
    connection.fd = fd;
    return;
  }
  close(fd);
}

// --- the loop

struct Poller {
  pollfd fds[kPollMax];
  int count = 0;
  void add(int fd, short events) {
    if (fd >= 0 && count < kPollMax) fds[count++] = {fd, events, 0};
  }
  short ready(int fd) const {
    for (int i = 0; i < count; ++i)
      if (fds[i].fd == fd && fd >= 0) return fds[i].revents;
    return 0;
  }
};

void collect(Poller& poller) {
  poller.count = 0;
  poller.add(signals, POLLIN);
  poller.add(listener, POLLIN);
  for (const auto& connection : connections) poller.add(connection.fd, POLLIN);
  for (Container* container = containers; container; container = container->next) {
    poller.add(container->console, POLLIN);
    for (Watcher* watcher = container->watchers; watcher; watcher = watcher->next)
      if (watcher->stalled()) poller.add(watcher->fd, POLLOUT);
    if (container->stalled()) continue;
    poller.add(container->out, POLLIN);
    poller.add(container->err, POLLIN);
  }
}

void serve_streams(const Poller& poller) {
  for (Container* container = containers; container; container = container->next) {
    if (poller.ready(container->console) != 0) take_console(*container);
    for (Watcher** link = &container->watchers; *link;) {
      Watcher* watcher = *link;
      if (watcher->stalled() && poller.ready(watcher->fd) != 0) watcher->flush();
      const bool stream_ended = (watcher->error_stream ? container->err : container->out) < 0;
      const bool hopeless = watcher->stalled() && mono_ms() - watcher->stalled_since > kStalledMs;
      if (hopeless || (!watcher->stalled() && stream_ended)) watcher->drop();
      if (watcher->fd >= 0) {
        link = &watcher->next;
        continue;
      }
      *link = watcher->next;
      delete watcher;
    }
    if (poller.ready(container->out) != 0) container->drain(false, false);
    if (poller.ready(container->err) != 0) container->drain(true, false);
  }
}

[[noreturn]] void loop() {
  static Poller poller;
  for (;;) {
    collect(poller);
    bool waiting = operations != nullptr;
    for (Container* container = containers; container; container = container->next)
      waiting |= container->stalled();
    if (poll(poller.fds, nfds_t(poller.count), waiting ? 1000 : -1) < 0 && errno != EINTR) _exit(71);
    serve_streams(poller);
    if (poller.ready(signals) != 0) reap();
    for (Operation* operation = operations; operation; operation = operation->next)
      if (mono_ms() > operation->deadline) kill(-operation->runc, SIGKILL);
    for (int i = 0; i < kConnectionsMax; ++i)
      if (poller.ready(connections[i].fd) != 0) receive(i);
    if (poller.ready(listener) != 0) accept_agent();
  }
}

// --- start

const char* become_supervisor() {
  setsid();
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  umask(0022);
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGCHLD);
  sigprocmask(SIG_SETMASK, nullptr, &old_mask);
  sigprocmask(SIG_BLOCK, &mask, nullptr);
  signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
  if (chdir(options.folder) != 0) return options.folder;
  if (const char* failed = make_namespaces(options)) return failed;
  if (options.pid && (pid_namespace = start_pid_namespace()) < 0) return "make the pid namespace";
  listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  strcpy(address.sun_path, kSocketName);
  unlink(kSocketName);
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || listen(listener, 64) != 0)
    return "listen";
  char pids[64];
  snprintf(pids, sizeof pids, "%d %d\n", getpid(), pid_namespace);
  if (!write_record("supervisor.pid", pids)) return "write supervisor.pid";
  return nullptr;
}

}  // namespace

// Returns to the caller once the supervisor listens: 0, or 1 with the reason on stderr.
int main(int argc, char** argv) {
  if (!parse(argc, argv)) {
    fprintf(stderr, "mk-supervisor is started by mk\n");
    return 2;
  }
  int ready[2];
  if (pipe2(ready, O_CLOEXEC) != 0) return 1;
  const pid_t child = fork();
  if (child < 0) return 1;
  if (child > 0) {
    close(ready[1]);
    char good = 0;
    return read(ready[0], &good, 1) == 1 ? 0 : 1;
  }
  dup2(ready[1], 3);
  syscall(SYS_close_range, 4u, ~0u, 0u);
  fcntl(3, F_SETFD, FD_CLOEXEC);
  if (const char* failed = become_supervisor()) {
    fprintf(stderr, "%s: %s\n", failed, strerror(errno));
    _exit(1);
  }
  const int null = open("/dev/null", O_RDWR);
  dup2(null, 0), dup2(null, 1), dup2(null, 2);
  if (null > 2) close(null);
  (void)!write(3, "1", 1);
  close(3);
  loop();
}

}  // namespace mk::supervisor

int main(int argc, char** argv) {
  return mk::supervisor::main(argc, argv);
}
