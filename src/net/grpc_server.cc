#include <fcntl.h>
#include <nghttp2/nghttp2.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <vector>

#include "fd_stream.h"
#include "mk/net/grpc.h"
#include "mk/rt/group.h"

namespace mk::net {
namespace {

constexpr std::size_t kMessageMax = 4 << 20;
constexpr std::size_t kFrameHead = 5;  // not compressed, and the length in big endian
constexpr std::int32_t kWindow = 1 << 20;

std::string framed(const std::string& message) {
  std::string out(kFrameHead, '\0');
  for (std::size_t i = 0; i < 4; ++i) out[1 + i] = static_cast<char>(message.size() >> (8 * (3 - i)));
  return out + message;
}

// Only what HTTP allows in a header: the rest is escaped (gRPC's percent encoding).
std::string escaped(const std::string& text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f && byte != '%') {
      out.push_back(c);
    } else {
      out.append({'%', kHex[byte >> 4], kHex[byte & 15]});
    }
  }
  return out;
}

// One connection: HTTP/2 with prior knowledge.
class Connection {
 public:
  Connection(std::unique_ptr<RawStream> stream, const GrpcHandler& handler, rt::Group& group)
      : stream_(std::move(stream)), handler_(handler), group_(group) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_server_new(&session_, callbacks, this);
    nghttp2_session_callbacks_del(callbacks);
    const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 100},
                                               {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kWindow}};
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, 2);
  }
  ~Connection() { nghttp2_session_del(session_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  static rt::Task<> serve(std::shared_ptr<Connection> self) {
    co_await flush(self);
    while (true) {
      auto data = co_await self->stream_->read_some(64 << 10);
      if (!data.ok() || data->empty()) break;
      const auto size = static_cast<ssize_t>(data->size());
      const auto* bytes = reinterpret_cast<const std::uint8_t*>(data->data());
      if (nghttp2_session_mem_recv(self->session_, bytes, data->size()) != size) break;
      for (const auto id : std::exchange(self->asked_, {})) self->group_.spawn("grpc call", answer(self, id));
      co_await flush(self);
    }
    self->gone_ = true;
    self->stream_->close();
  }

 private:
  struct Call {
    std::string method, body, reply, code, text;
    std::size_t sent = 0;
  };

  static rt::Task<> answer(std::shared_ptr<Connection> self, std::int32_t id) {
    const auto found = self->calls_.find(id);
    if (found == self->calls_.end()) co_return;
    const std::string method = found->second.method;
    std::string message = found->second.body;
    GrpcAnswer out;
    if (message.size() < kFrameHead || message[0] != 0) {
      out.code = 13;  // INTERNAL
      out.text = "the message is compressed or not framed";
    } else {
      out = co_await self->handler_(method, message.substr(kFrameHead));
    }
    if (self->gone_ || self->calls_.count(id) == 0) co_return;
    self->submit(id, std::move(out));
    co_await flush(self);
  }

  void submit(std::int32_t id, GrpcAnswer out) {
    auto& call = calls_.at(id);
    call.code = std::to_string(out.code);
    call.text = escaped(out.text);
    static const std::string kOk = "200", kType = "application/grpc";
    const nghttp2_nv head[] = {field(":status", kOk), field("content-type", kType)};
    if (out.code != 0) {
      const nghttp2_nv only[] = {head[0], head[1], field("grpc-status", call.code),
                                 field("grpc-message", call.text)};
      nghttp2_submit_headers(session_, NGHTTP2_FLAG_END_STREAM, id, nullptr, only, 4, nullptr);
      return;
    }
    call.reply = framed(out.message);
    nghttp2_data_provider provider{};
    provider.read_callback = read_reply;
    nghttp2_submit_response(session_, id, head, 2, &provider);
  }

  // Whoever comes while somebody writes leaves the bytes to him.
  static rt::Task<> flush(std::shared_ptr<Connection> self) {
    if (self->writing_) co_return;
    self->writing_ = true;
    while (!self->gone_) {
      std::string out;
      const std::uint8_t* data = nullptr;
      for (ssize_t size; (size = nghttp2_session_mem_send(self->session_, &data)) > 0;)
        out.append(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size));
      if (out.empty()) break;
      auto written = co_await self->stream_->write_all(std::move(out));
      if (!written.ok()) break;
    }
    self->writing_ = false;
  }

  static nghttp2_nv field(const char* name, const std::string& value) {
    return {reinterpret_cast<std::uint8_t*>(const_cast<char*>(name)),
            reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())), std::strlen(name), value.size(),
            NGHTTP2_NV_FLAG_NONE};
  }

  static ssize_t read_reply(nghttp2_session* session, std::int32_t id, std::uint8_t* to, std::size_t room,
                            std::uint32_t* flags, nghttp2_data_source*, void* self_) {
    auto& call = static_cast<Connection*>(self_)->calls_.at(id);
    const auto size = std::min(room, call.reply.size() - call.sent);
    std::memcpy(to, call.reply.data() + call.sent, size);
    call.sent += size;
    if (call.sent < call.reply.size()) return static_cast<ssize_t>(size);
    *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    const nghttp2_nv trailers[] = {field("grpc-status", call.code)};
    nghttp2_submit_trailer(session, id, trailers, 1);
    return static_cast<ssize_t>(size);
  }

  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                       std::size_t name_size, const std::uint8_t* value, std::size_t value_size, std::uint8_t,
                       void* self_) {
    auto& self = *static_cast<Connection*>(self_);
    if (std::string_view(reinterpret_cast<const char*>(name), name_size) == ":path")
      self.calls_[frame->hd.stream_id].method.assign(reinterpret_cast<const char*>(value), value_size);
    return 0;
  }

  static int on_data(nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* data,
                     std::size_t size, void* self_) {
    auto& call = static_cast<Connection*>(self_)->calls_[id];
    if (call.body.size() + size > kMessageMax) return NGHTTP2_ERR_CALLBACK_FAILURE;
    call.body.append(reinterpret_cast<const char*>(data), size);
    return 0;
  }

  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* self_) {
    const bool ends = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
    if (ends && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
      static_cast<Connection*>(self_)->asked_.push_back(frame->hd.stream_id);
    return 0;
  }

  static int on_close(nghttp2_session*, std::int32_t id, std::uint32_t, void* self_) {
    static_cast<Connection*>(self_)->calls_.erase(id);
    return 0;
  }

  std::unique_ptr<RawStream> stream_;
  const GrpcHandler& handler_;
  rt::Group& group_;
  nghttp2_session* session_ = nullptr;
  std::map<std::int32_t, Call> calls_;
  std::vector<std::int32_t> asked_;  // whole requests that nobody answers yet
  bool writing_ = false, gone_ = false;
};

class GrpcServerImpl : public GrpcServer {
 public:
  GrpcServerImpl(rt::Loop& loop, std::string path, int listener, GrpcHandler handler)
      : path_(std::move(path)),
        executor_(loop.executor()),
        listener_(loop.executor(), listener),
        handler_(std::move(handler)),
        group_(loop.executor()) {
    group_.spawn("grpc accept", accept_loop());
  }

  rt::Task<> stop() override {
    listener_.close();
    co_await group_.stop();
    ::unlink(path_.c_str());
  }

 private:
  rt::Task<> accept_loop() {
    while (true) {
      auto ready = co_await listener_.wait_readable();
      if (!ready.ok()) co_return;
      const int fd = ::accept4(listener_.native(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) continue;
      rt::AsyncFd connection(executor_, fd);
      auto made = std::make_shared<Connection>(make_fd_stream(std::move(connection)), handler_, group_);
      group_.spawn("grpc connection", Connection::serve(std::move(made)));
    }
  }

  std::string path_;
  rt::Executor executor_;
  rt::AsyncFd listener_;
  GrpcHandler handler_;
  rt::Group group_;  // last: its tasks use everything above
};

}  // namespace

rt::Task<Result<std::unique_ptr<RawStream>>> connect_unix(std::string path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) co_return Error(Reason::kInternalError, std::string("socket: ") + std::strerror(errno));
  auto executor = co_await rt::this_executor();
  rt::AsyncFd connection(std::move(executor), fd);
  const UnixAddress address(path);
  if (const int code = address.connect(fd); code != 0)
    co_return Error(code == ENOENT ? Reason::kNotFound : Reason::kServiceUnavailable,
                    "connect to " + path + ": " + std::strerror(code));
  co_return make_fd_stream(std::move(connection));
}

Result<std::unique_ptr<GrpcServer>> listen_grpc(rt::Loop& loop, const std::string& path,
                                                GrpcHandler handler) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return Error(Reason::kInternalError, std::string("socket: ") + std::strerror(errno));
  ::unlink(path.c_str());
  const UnixAddress address(path);
  const int code = address.bind(fd);
  if (code != 0 || ::chmod(path.c_str(), 0600) != 0 || ::listen(fd, SOMAXCONN) != 0) {
    const int why = code != 0 ? code : errno;
    ::close(fd);
    return Error(Reason::kInternalError, "cannot listen on " + path + ": " + std::strerror(why));
  }
  return std::unique_ptr<GrpcServer>(std::make_unique<GrpcServerImpl>(loop, path, fd, std::move(handler)));
}

}  // namespace mk::net
