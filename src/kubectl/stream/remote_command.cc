#include "stream/remote_command.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <ostream>

#include "mk/base/strings.h"
#include "mk/net/websocket.h"
#include "mk/rt/event.h"
#include "mk/rt/fd.h"
#include "stream/terminal.h"

namespace mk::kubectl {

using api::Json;

namespace {

constexpr std::size_t kInputMax = 32 << 10;

enum Channel : unsigned char { kStdin = 0, kStdout = 1, kStderr = 2, kStatus = 3, kResize = 4, kClose = 255 };

class RemoteSession {
 public:
  RemoteSession(std::unique_ptr<net::WebSocket> socket, RemoteOptions options, Io& io)
      : socket_(std::move(socket)), options_(options), io_(io) {}

  rt::Task<Result<int>> run() {
    co_await rt::race(outputs(), everything_else());
    co_await socket_->close(1000, "");
    co_return std::move(result_);
  }

 private:
  // Ends with the session; the last frame is the status.
  rt::Task<> outputs() {
    for (;;) {
      auto message = co_await socket_->read();
      if (!message.ok() && message.error().is(Reason::kGone)) co_return;
      if (!message.ok()) {
        if (!have_status_) result_ = Error(message.error().reason(), "error: " + message.error().message());
        co_return;
      }
      if (message->data.empty()) continue;
      const auto channel = static_cast<unsigned char>(message->data[0]);
      const std::string_view data = std::string_view(message->data).substr(1);
      if (channel == kStdout) io_.out << data << std::flush;
      if (channel == kStderr) io_.err << data << std::flush;
      if (channel != kStatus || data.empty()) continue;
      result_ = exit_code_from_status(data);
      have_status_ = true;
      co_return;
    }
  }

  rt::Task<> everything_else() {
    if (options_.tty) {
      co_await rt::race(inputs(), resizes());
    } else {
      co_await inputs();
    }
  }

  // Never ends by itself: when the input is over, the outputs go on.
  rt::Task<> inputs() {
    rt::Event never;
    if (!options_.input) co_await never.wait();
    if (input_can_be_awaited()) {
      co_await copy_awaited_input();
    } else {
      co_await copy_plain_input();
    }
    (void)co_await send(kClose, std::string(1, static_cast<char>(kStdin)));
    co_await never.wait();
  }

  // Pipes, terminals and sockets; files and /dev/null are always ready, and the kernel refuses to watch them.
  static bool input_can_be_awaited() {
    struct stat info {};
    if (::fstat(STDIN_FILENO, &info) != 0) return false;
    return S_ISFIFO(info.st_mode) || S_ISSOCK(info.st_mode) || ::isatty(STDIN_FILENO) != 0;
  }

  // Opened anew, because O_NONBLOCK belongs to the open file: on a terminal the outputs share it with the
  // input, and a slow terminal would make their writes fail.
  static int own_input() {
    const int fd = ::open("/proc/self/fd/0", O_RDONLY | O_CLOEXEC | O_NOCTTY);
    return fd >= 0 ? fd : ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
  }

  rt::Task<> copy_awaited_input() {
    auto executor = co_await rt::this_executor();
    rt::AsyncFd input(executor, own_input());
    for (;;) {
      auto data = co_await input.read_some(kInputMax);
      if (!data.ok() || data->empty()) co_return;
      if (!(co_await send(kStdin, std::move(*data))).ok()) co_return;
    }
  }

  rt::Task<> copy_plain_input() {
    for (;;) {
      std::string data(kInputMax, '\0');
      const auto count = ::read(STDIN_FILENO, data.data(), data.size());
      if (count <= 0) co_return;
      data.resize(static_cast<std::size_t>(count));
      if (!(co_await send(kStdin, std::move(data))).ok()) co_return;
    }
  }

  rt::Task<> resizes() {
    for (;;) {
      const std::string size = terminal_size();
      if (!size.empty()) (void)co_await send(kResize, size);
      (void)co_await rt::wait_signal({SIGWINCH});
    }
  }

  // One writer at a time.
  rt::Task<Result<void>> send(Channel channel, std::string data) {
    while (writing_) co_await written_.wait();
    writing_ = true;
    net::WebSocket::Message message(true, std::string(1, static_cast<char>(channel)) + data);
    auto done = co_await socket_->write(std::move(message));
    writing_ = false;
    written_.notify_one();
    co_return done;
  }

  std::unique_ptr<net::WebSocket> socket_;
  RemoteOptions options_;
  Io& io_;
  Result<int> result_ = Error(Reason::kServiceUnavailable, "the connection ended before the command did");
  bool have_status_ = false, writing_ = false;
  rt::Event written_;
};

rt::Task<Result<int>> connect_and_run(net::HttpClient& http, net::Request request, RemoteOptions options,
                                      Io& io) {
  std::vector<std::string> protocols{"v5.channel.k8s.io"};
  auto socket = co_await http.websocket(std::move(request), std::move(protocols));
  if (!socket) co_return std::move(socket).error();
  RemoteSession session(std::move(*socket), options, io);
  co_return co_await session.run();
}

// Where the input could not be opened anew, its flags are shared with whoever started us: they go back to
// what they were.
class KeptFlags {
 public:
  KeptFlags() : flags_(::fcntl(STDIN_FILENO, F_GETFL)) {}
  ~KeptFlags() {
    if (flags_ >= 0) ::fcntl(STDIN_FILENO, F_SETFL, flags_);
  }
  KeptFlags(const KeptFlags&) = delete;
  KeptFlags& operator=(const KeptFlags&) = delete;

 private:
  int flags_;
};

}  // namespace

Result<int> exit_code_from_status(std::string_view status_json) {
  const auto status = api::parse_json(status_json);
  if (!status.ok()) return Error(Reason::kInternalError, "the server's exit status is no JSON");
  if (api::str(*status, "status") == "Success") return 0;
  if (api::str(*status, "reason") == "NonZeroExitCode") {
    for (const auto& cause : api::list(*status, "details.causes")) {
      const auto code = parse_int(api::str(cause, "message"));
      if (api::str(cause, "reason") == "ExitCode" && code) return static_cast<int>(*code);
    }
  }
  return Error(Reason::kInternalError,
               fmt::format("Internal error occurred: {}", api::str(*status, "message")));
}

Result<int> run_remote(Session& session, std::string target, RemoteOptions options, Io& io) {
  const KeptFlags kept;
  const RawTerminal raw(options.tty && options.input);
  auto code =
      wait_for(session.loop(),
               connect_and_run(session.http(), session.request("GET", std::move(target)), options, io));
  if (code.ok() || !code.error().is(Reason::kServiceUnavailable)) return code;
  if (code.error().message().find("connect") == std::string::npos) return code;
  return session.explain(std::move(code).error());
}

}  // namespace mk::kubectl
