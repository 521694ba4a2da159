#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "images/fs.h"
#include "mk/base/files.h"
#include "mk/base/strings.h"
#include "runtime/runtime.h"
#include "runtime/spec.h"

namespace mk::kubelet {
namespace {

constexpr std::size_t kOutputMax = 16 << 10;
constexpr auto kDrainTime = std::chrono::milliseconds(200);

struct Pipe {
  UniqueFd read_end, write_end;
  bool open() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return false;
    read_end = UniqueFd(ends[0]);
    write_end = UniqueFd(ends[1]);
    return true;
  }
};

// A program in a container, or a container's own streams. It owns a connection to the supervisor; closing
// that ends an exec'ed program.
class StreamSession final : public ExecSession {
 public:
  explicit StreamSession(std::unique_ptr<PodLink> link) : link_(std::move(link)) {}

  rt::AsyncFd* input() override { return get(input_); }
  rt::AsyncFd* output() override { return get(output_); }
  rt::AsyncFd* error() override { return get(error_); }
  void close_input() override {
    // A terminal has one descriptor for both ways; its end of input is a character (^D), sent by the client.
    input_.reset();
  }
  void resize(int columns, int rows) override {
    winsize size{};
    size.ws_col = static_cast<unsigned short>(columns);
    size.ws_row = static_cast<unsigned short>(rows);
    if (terminal_) ::ioctl(terminal_.get(), TIOCSWINSZ, &size);
  }
  rt::Task<Result<int>> wait() override {
    const auto exit = exit_;
    while (!exit->code && !exit->lost) co_await exit->changed.wait();
    if (exit->code) co_return *exit->code;
    co_return Error(Reason::kServiceUnavailable, "the pod's supervisor is gone");
  }

  struct Exit {
    std::optional<int> code;
    bool lost = false;
    rt::Event changed;
  };

  // The end of an exec'ed program comes over our own connection.
  void listen(rt::Group& group) {
    link_->on_event = [exit = exit_](const std::vector<std::string>& fields) {
      if (fields.size() < 2 || fields[0] != "exec-exit") return;
      exit->code = static_cast<int>(parse_int(fields[1]).value_or(255));
      exit->changed.notify_all();
    };
    link_->on_closed = [exit = exit_] {
      exit->lost = true;
      exit->changed.notify_all();
    };
    link_->listen(group);
  }

  PodLink& link() { return *link_; }
  void set_terminal(UniqueFd fd) { terminal_ = std::move(fd); }
  std::optional<rt::AsyncFd> input_, output_, error_;
  std::shared_ptr<Exit> exit_ = std::make_shared<Exit>();

 private:
  static rt::AsyncFd* get(std::optional<rt::AsyncFd>& fd) { return fd ? &*fd : nullptr; }
  std::unique_ptr<PodLink> link_;
  UniqueFd terminal_;
};

// Where runc hands over the terminal of an exec. The real path may be too long for a socket's address.
struct ConsoleSocket {
  UniqueFd folder, socket;
  std::string name, address;

  Result<void> open(const std::string& folder_path, const std::string& file) {
    folder = UniqueFd(::open(folder_path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    name = folder_path + "/" + file;
    address = "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(folder.get()) + "/" + file;
    sockaddr_un where{};
    where.sun_family = AF_UNIX;
    std::snprintf(where.sun_path, sizeof where.sun_path, "%s", address.c_str());
    socket = UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!folder || !socket || ::bind(socket.get(), reinterpret_cast<sockaddr*>(&where), sizeof where) != 0 ||
        ::listen(socket.get(), 1) != 0)
      return sys_error("listen on", name);
    return ok();
  }
  ~ConsoleSocket() {
    if (!name.empty()) ::unlink(name.c_str());
  }

  // After runc has succeeded, the terminal is there.
  UniqueFd take() {
    const UniqueFd connection(::accept4(socket.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    char data[64];
    iovec part{data, sizeof data};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    int fd = -1;
    if (connection && ::recvmsg(connection.get(), &header, MSG_CMSG_CLOEXEC) > 0)
      if (const cmsghdr* item = CMSG_FIRSTHDR(&header); item && item->cmsg_type == SCM_RIGHTS)
        std::memcpy(&fd, CMSG_DATA(item), sizeof fd);
    return UniqueFd(fd);
  }
};

Error not_running(const std::string& id) {
  return Error(Reason::kConflict, "container " + id + " is not running");
}

rt::Task<> read_all(rt::AsyncFd* stream, std::shared_ptr<std::string> kept) {
  while (stream != nullptr) {
    auto data = co_await stream->read_some(16384);
    if (!data.ok() || data->empty()) co_return;
    kept->append(*data, 0, kOutputMax - std::min(kOutputMax, kept->size()));
  }
}

rt::Task<> read_both(rt::AsyncFd* out, std::shared_ptr<std::string> out_text, rt::AsyncFd* err,
                     std::shared_ptr<std::string> err_text, rt::Executor executor) {
  rt::Group group(executor);
  group.spawn("exec output", read_all(out, out_text));
  co_await read_all(err, err_text);
  while (group.size() > 0) co_await rt::yield();
}

// A connected socket, made inside the namespace `path`; the thread returns to its own.
Result<int> dial_in_namespace(const std::string& path, int port) {
  const UniqueFd own(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  const UniqueFd target(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!own || !target || ::setns(target.get(), CLONE_NEWNET) != 0) return sys_error("enter", path);
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(static_cast<std::uint16_t>(port));
  v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = v4.sin_port;
  v6.sin6_addr = in6addr_loopback;
  UniqueFd out(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  int code = ::connect(out.get(), reinterpret_cast<sockaddr*>(&v4), sizeof v4) == 0 ? 0 : errno;
  if (code != 0) {
    UniqueFd second(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (second && ::connect(second.get(), reinterpret_cast<sockaddr*>(&v6), sizeof v6) == 0) {
      code = 0;
      out = std::move(second);
    }
  }
  MK_ASSERT(::setns(own.get(), CLONE_NEWNET) == 0);  // a thread in the wrong network must not go on
  if (code == 0) return out.release();
  errno = code;
  return sys_error("connect to port", std::to_string(port) + " in the pod");
}

}  // namespace

rt::Task<Result<std::unique_ptr<ExecSession>>> RuncRuntime::exec(std::string id, ExecOptions options) {
  const auto [sandbox, container] = find(id);
  if (!container) co_return Error(Reason::kNotFound, "no container " + id);
  if (container->status.state != ContainerState::kRunning || !sandbox->link) co_return not_running(id);
  if (options.argv.empty()) co_return Error(Reason::kInvalid, "exec needs a command");
  const std::string folder = sandbox->folder;
  const std::string name = "e" + std::to_string(::getpid()) + "-" + std::to_string(next_exec_++);
  MK_CO_ASSIGN(const std::string config_text, read_file(container_folder(*sandbox, id) + "/config.json"));
  MK_CO_ASSIGN(const api::Json config, api::parse_json(config_text));
  const std::string process = folder + "/" + name + ".json";
  MK_CO_TRY(replace_file(process, api::to_json(build_exec_process(config, options.argv, options.tty))));
  ConsoleSocket console;
  if (options.tty) MK_CO_TRY(console.open(folder, name + ".tty"));
  MK_CO_ASSIGN(auto link, PodLink::connect(loop_.executor(), folder));
  auto session = std::make_unique<StreamSession>(std::move(link));
  session->listen(group_);
  Pipe in, out, err;
  UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!in.open() || !out.open() || !err.open() || !null) co_return sys_error("make pipes for", id);
  const bool streams = !options.tty;
  std::vector<int> fds = {streams && options.stdin ? in.read_end.get() : null.get(),
                          streams && options.stdout ? out.write_end.get() : null.get(),
                          streams && options.stderr ? err.write_end.get() : null.get()};
  std::vector<std::string> request = {"exec", id, name, process, console.address};
  auto answer = co_await session->link().request(std::move(request), std::move(fds));
  ::unlink(process.c_str());
  const std::string log_file = folder + "/" + name + ".log";
  if (!answer.ok()) {
    Error error = runc_error(answer.error(), log_file);
    ::unlink(log_file.c_str());
    co_return error;
  }
  ::unlink(log_file.c_str());
  if (options.tty) {
    UniqueFd terminal = console.take();
    if (!terminal) co_return Error(Reason::kInternalError, "runc gave no terminal");
    if (options.stdin) session->input_.emplace(loop_.executor(), ::fcntl(terminal.get(), F_DUPFD_CLOEXEC, 3));
    session->output_.emplace(loop_.executor(), ::fcntl(terminal.get(), F_DUPFD_CLOEXEC, 3));
    session->set_terminal(std::move(terminal));
  } else {
    if (options.stdin) session->input_.emplace(loop_.executor(), in.write_end.release());
    if (options.stdout) session->output_.emplace(loop_.executor(), out.read_end.release());
    if (options.stderr) session->error_.emplace(loop_.executor(), err.read_end.release());
  }
  std::unique_ptr<ExecSession> opened = std::move(session);
  co_return opened;
}

rt::Task<Result<ExecResult>> RuncRuntime::exec_sync(std::string id, std::vector<std::string> argv,
                                                    rt::Duration timeout) {
  ExecOptions options;
  options.argv = std::move(argv);
  const auto deadline = clock_.mono() + (timeout > rt::Duration::zero() ? timeout : std::chrono::hours(24));
  auto opened = co_await exec(id, std::move(options));
  if (!opened.ok()) co_return std::move(opened).error();
  const auto session = std::move(*opened);
  auto out = std::make_shared<std::string>(), err = std::make_shared<std::string>();
  rt::Group readers(loop_.executor());
  readers.spawn("exec streams", read_both(session->output(), out, session->error(), err, loop_.executor()));
  auto code = co_await rt::with_timeout(clock_, deadline - clock_.mono(), session->wait());
  ExecResult result;
  result.timed_out = !code;
  if (code && code->ok()) result.exit_code = **code;
  // What it wrote is in the pipes; who inherited them may keep them open for ever.
  const auto drained_by = clock_.mono() + kDrainTime;
  while (code && readers.size() > 0 && clock_.mono() < drained_by)
    co_await clock_.sleep_for(std::chrono::milliseconds(1));
  co_await readers.stop();
  if (code && !code->ok()) co_return std::move(*code).error();
  result.out = *out;
  result.err = *err;
  co_return result;
}

rt::Task<Result<std::unique_ptr<ExecSession>>> RuncRuntime::attach(std::string id, ExecOptions options) {
  const auto [sandbox, container] = find(id);
  if (!container) co_return Error(Reason::kNotFound, "no container " + id);
  if (!container->running() || !sandbox->link) co_return not_running(id);
  MK_CO_ASSIGN(auto link, PodLink::connect(loop_.executor(), sandbox->folder));
  auto session = std::make_unique<StreamSession>(std::move(link));
  session->link().listen(group_);
  Pipe out, err;
  if (!out.open() || !err.open()) co_return sys_error("make pipes for", id);
  std::vector<int> fds = {out.write_end.get()};
  if (!container->tty) fds.push_back(err.write_end.get());
  std::vector<std::string> request = {"attach", id, options.stdin && container->has_stdin ? "i" : ""};
  auto answer = co_await session->link().request(std::move(request), std::move(fds));
  if (!answer.ok()) co_return std::move(answer).error();
  if (options.stdout || container->tty) session->output_.emplace(loop_.executor(), out.read_end.release());
  if (options.stderr && !container->tty) session->error_.emplace(loop_.executor(), err.read_end.release());
  if (answer->fd) {
    if (options.stdin && container->has_stdin)
      session->input_.emplace(loop_.executor(), ::fcntl(answer->fd.get(), F_DUPFD_CLOEXEC, 3));
    if (container->tty) session->set_terminal(std::move(answer->fd));
  }
  // The session ends with the container.
  group_.spawn(
      "attach end",
      [](RuncRuntime* self, Container watched, std::shared_ptr<StreamSession::Exit> exit) -> rt::Task<> {
        while (!co_await self->wait_exit(watched, std::chrono::hours(1))) {
          if (exit.use_count() == 1) co_return;
        }
        exit->code = watched->status.exit_code;
        exit->changed.notify_all();
      }(this, container, session->exit_));
  std::unique_ptr<ExecSession> opened = std::move(session);
  co_return opened;
}

rt::Task<Result<rt::AsyncFd>> RuncRuntime::dial(std::string sandbox_id, int port) {
  const auto found = sandboxes_.find(sandbox_id);
  if (found == sandboxes_.end() || !found->second->status.ready)
    co_return Error(Reason::kNotFound, "sandbox " + sandbox_id + " is not running");
  auto work = [path = "/proc/" + std::to_string(found->second->supervisor) + "/ns/net", port] {
    return dial_in_namespace(path, port);
  };
  auto fd = co_await pool_.run(std::move(work));
  if (!fd.ok()) co_return std::move(fd).error();
  co_return rt::AsyncFd(loop_.executor(), *fd);
}

}  // namespace mk::kubelet
