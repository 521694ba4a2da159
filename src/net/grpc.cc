#include "mk/net/grpc.h"

#include <nghttp2/nghttp2.h>

#include <cstring>
#include <vector>

#include "mk/base/strings.h"

namespace mk::net {

namespace {

constexpr std::size_t kMessageMax = 4 << 20;
constexpr std::size_t kFrameHead = 5;  // not compressed, and the length in big endian

std::string framed(const std::string& message) {
  std::string out(kFrameHead, '\0');
  for (std::size_t i = 0; i < 4; ++i) out[1 + i] = static_cast<char>(message.size() >> (8 * (3 - i)));
  return out + message;
}

// The session of one call, without the socket: bytes in, bytes out.
class Session {
 public:
  explicit Session(GrpcCall call) : call_(std::move(call)), body_(framed(call_.message)) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_client_new(&session_, callbacks, this);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, nullptr, 0);
    submit();
  }
  ~Session() { nghttp2_session_del(session_); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  bool feed(const std::string& data) {
    return nghttp2_session_mem_recv(session_, reinterpret_cast<const std::uint8_t*>(data.data()),
                                    data.size()) == static_cast<ssize_t>(data.size());
  }
  std::string take_output() {
    std::string out;
    const std::uint8_t* data = nullptr;
    for (ssize_t size; (size = nghttp2_session_mem_send(session_, &data)) > 0;)
      out.append(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size));
    return out;
  }
  bool done() const { return done_; }
  // The peer broke the protocol, or said good-bye.
  bool over() const { return nghttp2_session_want_read(session_) == 0; }

  Result<GrpcAnswer> answer() const {
    if (too_large_) return Error(Reason::kInvalid, "the answer is too large");
    if (!has_code_) return Error(Reason::kServiceUnavailable, "the server does not speak gRPC: " + about());
    GrpcAnswer out;
    out.code = code_;
    out.text = text_;
    if (received_.size() >= kFrameHead) {
      if (received_[0] != 0) return Error(Reason::kInvalid, "the answer is compressed");
      out.message = received_.substr(kFrameHead);
    }
    return out;
  }

 private:
  std::string about() const { return http_status_.empty() ? "no answer" : "HTTP status " + http_status_; }

  void submit() {
    const auto field = [](const char* name, const std::string& value) {
      return nghttp2_nv{reinterpret_cast<std::uint8_t*>(const_cast<char*>(name)),
                        reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())), std::strlen(name),
                        value.size(), NGHTTP2_NV_FLAG_NONE};
    };
    static const std::string kPost = "POST", kHttp = "http", kType = "application/grpc",
                             kTrailers = "trailers";
    const std::vector<nghttp2_nv> head = {field(":method", kPost),
                                          field(":scheme", kHttp),
                                          field(":path", call_.method),
                                          field(":authority", call_.authority),
                                          field("content-type", kType),
                                          field("te", kTrailers),
                                          field("user-agent", call_.user_agent)};
    nghttp2_data_provider provider{};
    provider.read_callback = read_body;
    nghttp2_submit_request(session_, nullptr, head.data(), head.size(), &provider, nullptr);
  }

  static ssize_t read_body(nghttp2_session*, std::int32_t, std::uint8_t* to, std::size_t room,
                           std::uint32_t* flags, nghttp2_data_source*, void* self_) {
    auto& self = *static_cast<Session*>(self_);
    const auto size = std::min(room, self.body_.size() - self.sent_);
    std::memcpy(to, self.body_.data() + self.sent_, size);
    self.sent_ += size;
    if (self.sent_ == self.body_.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(size);
  }

  // Headers and trailers; an answer without a message has only the latter.
  static int on_header(nghttp2_session*, const nghttp2_frame*, const std::uint8_t* name,
                       std::size_t name_size, const std::uint8_t* value, std::size_t value_size, std::uint8_t,
                       void* self_) {
    auto& self = *static_cast<Session*>(self_);
    const std::string_view field(reinterpret_cast<const char*>(name), name_size);
    const std::string text(reinterpret_cast<const char*>(value), value_size);
    if (field == ":status") self.http_status_ = text;
    if (field == "grpc-message") self.text_ = url_decode(text, false).value_or(text);
    if (field == "grpc-status") {
      self.has_code_ = true;
      self.code_ = static_cast<int>(parse_int(text).value_or(2));  // UNKNOWN
    }
    return 0;
  }

  static int on_data(nghttp2_session*, std::uint8_t, std::int32_t, const std::uint8_t* data, std::size_t size,
                     void* self_) {
    auto& self = *static_cast<Session*>(self_);
    if (self.received_.size() + size > kMessageMax + kFrameHead) {
      self.too_large_ = self.done_ = true;
      return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    self.received_.append(reinterpret_cast<const char*>(data), size);
    return 0;
  }

  static int on_close(nghttp2_session*, std::int32_t, std::uint32_t, void* self_) {
    static_cast<Session*>(self_)->done_ = true;
    return 0;
  }

  const GrpcCall call_;
  const std::string body_;
  std::size_t sent_ = 0;
  nghttp2_session* session_ = nullptr;
  std::string received_, text_, http_status_;
  int code_ = 0;
  bool has_code_ = false, done_ = false, too_large_ = false;
};

}  // namespace

rt::Task<Result<GrpcAnswer>> call_grpc(RawStream& connection, GrpcCall call) {
  Session session(std::move(call));
  for (;;) {
    if (std::string out = session.take_output(); !out.empty())
      MK_CO_TRY(co_await connection.write_all(std::move(out)));
    if (session.done()) co_return session.answer();
    MK_CO_ASSIGN(const std::string data, co_await connection.read_some(64 << 10));
    if (data.empty()) co_return Error(Reason::kServiceUnavailable, "the connection was closed");
    const bool fed = session.feed(data);
    if ((!fed || session.over()) && !session.done())
      co_return Error(Reason::kServiceUnavailable, "the peer does not speak HTTP/2");
  }
}

}  // namespace mk::net
