#include "server/stream_session.h"

#include <fmt/core.h>

#include "mk/base/strings.h"
#include "mk/rt/event.h"
#include "pods/pod_view.h"

namespace mk::kubelet {

namespace {

constexpr unsigned char kStdin = 0, kStdout = 1, kStderr = 2, kError = 3, kResize = 4, kClose = 255;

rt::Task<> last_of(rt::Task<> work, int& left) {
  co_await std::move(work);
  if (--left == 0) co_return;
  rt::Event never;
  co_await never.wait();
}

// Waits for both.
rt::Task<> both(rt::Task<> first, rt::Task<> second) {
  int left = 2;
  co_await rt::race(last_of(std::move(first), left), last_of(std::move(second), left));
}

// Since v4 the error channel carries a metav1.Status, also of success; before, the text of an error.
bool tells_status(const net::WebSocket& socket) {
  const auto& protocol = socket.subprotocol();
  return !protocol.empty() && protocol != "channel.k8s.io" && protocol != "base64.channel.k8s.io";
}

// What the error channel carries at the end; nullopt: nothing.
std::optional<std::string> last_words(const net::WebSocket& socket, const Result<int>& exit_code) {
  const std::string status = exit_status_json(exit_code);
  if (tells_status(socket)) return status;
  if (exit_code.ok() && *exit_code == 0) return std::nullopt;
  return std::string(api::str(*api::parse_json(status), "message"));
}

bool speaks_base64(const net::WebSocket& socket) {
  return socket.subprotocol().find("base64") != std::string::npos;
}

std::string frame_of(unsigned char channel, const std::string& data, bool base64) {
  std::string frame(1, base64 ? static_cast<char>('0' + channel) : static_cast<char>(channel));
  return frame + (base64 ? base64_encode(data) : data);
}

class StreamSession {
 public:
  StreamSession(std::unique_ptr<net::WebSocket> socket, std::unique_ptr<ExecSession> session,
                ExecOptions options)
      : socket_(std::move(socket)),
        session_(std::move(session)),
        options_(std::move(options)),
        base64_(speaks_base64(*socket_)) {}

  rt::Task<> run() {
    // Tells the client that the streams are open.
    if (!(co_await send(options_.stdout ? kStdout : options_.stderr ? kStderr : kError, "")).ok()) co_return;
    if (co_await rt::race(outputs_then_status(), inputs()) == 0) co_await socket_->close(1000, "");
  }

 private:
  // One writer at a time.
  rt::Task<Result<void>> send(unsigned char channel, std::string data) {
    while (writing_) co_await written_.wait();
    writing_ = true;
    net::WebSocket::Message message(!base64_, frame_of(channel, data, base64_));
    auto result = co_await socket_->write(std::move(message));
    writing_ = false;
    written_.notify_one();
    co_return result;
  }

  rt::Task<> pump(rt::AsyncFd* from, unsigned char channel) {
    while (from != nullptr) {
      auto data = co_await from->read_some(32 << 10);
      if (!data.ok() || data->empty()) co_return;
      if (!(co_await send(channel, std::move(*data))).ok()) co_return;
    }
  }

  rt::Task<> outputs_then_status() {
    co_await both(pump(session_->output(), kStdout), pump(session_->error(), kStderr));
    const auto exit_code = co_await session_->wait();
    if (auto words = last_words(*socket_, exit_code)) (void)co_await send(kError, std::move(*words));
  }

  // Ends when the client has gone.
  rt::Task<> inputs() {
    while (true) {
      auto message = co_await socket_->read();
      if (!message.ok()) co_return;
      if (message->data.empty()) continue;
      unsigned char channel = static_cast<unsigned char>(message->data[0]);
      std::string data = message->data.substr(1);
      if (base64_) {
        channel = static_cast<unsigned char>(channel - '0');
        data = base64_decode(data).value_or("");
      }
      if (channel == kStdin)
        co_await feed(std::move(data));
      else if (channel == kResize)
        resize(data);
      else if (channel == kClose && !data.empty() && data[0] == kStdin)
        session_->close_input();
    }
  }

  rt::Task<> feed(std::string data) {
    rt::AsyncFd* input = session_->input();
    if (input == nullptr || data.empty()) co_return;
    (void)co_await input->write_all(std::move(data));  // a program that closed its input still has output
  }

  void resize(const std::string& data) {
    const auto size = api::parse_json(data);
    if (!size.ok()) return;
    const auto columns = api::num(*size, "Width"), rows = api::num(*size, "Height");
    if (columns > 0 && columns < 65536 && rows > 0 && rows < 65536)
      session_->resize(static_cast<int>(columns), static_cast<int>(rows));
  }

  std::unique_ptr<net::WebSocket> socket_;
  std::unique_ptr<ExecSession> session_;
  ExecOptions options_;
  bool base64_, writing_ = false;
  rt::Event written_;
};

}  // namespace

std::vector<std::string> stream_protocols() {
  return {"v5.channel.k8s.io", "v4.channel.k8s.io",     "v4.base64.channel.k8s.io",
          "channel.k8s.io",    "base64.channel.k8s.io", ""};
}

std::string exit_status_json(const Result<int>& exit_code) {
  JsonObject status{{"metadata", JsonObject{}}};
  if (!exit_code.ok()) {
    status["status"] = "Failure";
    status["reason"] = "InternalError";
    status["message"] =
        text("Internal error occurred: error executing command in container: " + exit_code.error().message());
    status["details"] =
        JsonObject{{"causes", JsonArray{JsonObject{{"message", text(exit_code.error().message())}}}}};
    status["code"] = 500;
  } else if (*exit_code != 0) {
    status["status"] = "Failure";
    status["reason"] = "NonZeroExitCode";
    status["message"] =
        text(fmt::format("command terminated with non-zero exit code: exit status {}", *exit_code));
    status["details"] = JsonObject{
        {"causes",
         JsonArray{JsonObject{{"reason", "ExitCode"}, {"message", text(std::to_string(*exit_code))}}}}};
  } else {
    status["status"] = "Success";
  }
  return api::to_json(status);
}

rt::Task<> run_stream_session(std::unique_ptr<net::WebSocket> socket, std::unique_ptr<ExecSession> session,
                              ExecOptions options) {
  StreamSession stream(std::move(socket), std::move(session), std::move(options));
  co_await stream.run();
}

rt::Task<> refuse_stream_session(std::unique_ptr<net::WebSocket> socket, Error error) {
  const bool base64 = speaks_base64(*socket);
  const Result<int> failed = std::move(error);
  const std::string words = last_words(*socket, failed).value_or("");
  net::WebSocket::Message message(!base64, frame_of(kError, words, base64));
  if ((co_await socket->write(std::move(message))).ok()) co_await socket->close(1000, "");
}

}  // namespace mk::kubelet
