#include "mk/net/grpc.h"

#include <nghttp2/nghttp2.h>

#include <catch2/catch.hpp>
#include <cstring>

#include "mk/rt/loop.h"

using namespace mk;
using namespace mk::net;

namespace {

// A gRPC server at the other end of a connection without a socket: answers each call with the message it got,
// or with a code alone.
class EchoServer final : public RawStream {
 public:
  explicit EchoServer(std::string code, std::string text = "")
      : code_(std::move(code)), text_(std::move(text)) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_server_new(&session_, callbacks, this);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, nullptr, 0);
  }
  ~EchoServer() override { nghttp2_session_del(session_); }

  rt::Task<Result<std::string>> read_some(std::size_t) override {
    std::string out;
    const std::uint8_t* data = nullptr;
    for (ssize_t size; (size = nghttp2_session_mem_send(session_, &data)) > 0;)
      out.append(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size));
    co_return out;
  }
  rt::Task<Result<void>> write_all(std::string data) override {
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(data.data());
    CHECK(nghttp2_session_mem_recv(session_, bytes, data.size()) == static_cast<ssize_t>(data.size()));
    co_return ok();
  }
  void close() override {}

  std::string head;  // ":path=... "

 private:
  static nghttp2_nv field(const char* name, const std::string& value) {
    return {reinterpret_cast<std::uint8_t*>(const_cast<char*>(name)),
            reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())), std::strlen(name), value.size(),
            NGHTTP2_NV_FLAG_NONE};
  }
  void answer(std::int32_t stream) {
    static const std::string kOk = "200", kType = "application/grpc";
    if (code_ != "0") {
      const nghttp2_nv only[] = {field(":status", kOk), field("content-type", kType),
                                 field("grpc-status", code_), field("grpc-message", text_)};
      nghttp2_submit_headers(session_, NGHTTP2_FLAG_END_STREAM, stream, nullptr, only, 4, nullptr);
      return;
    }
    const nghttp2_nv fields[] = {field(":status", kOk), field("content-type", kType)};
    nghttp2_data_provider provider{};
    provider.read_callback = [](nghttp2_session* session, std::int32_t id, std::uint8_t* to, std::size_t room,
                                std::uint32_t* flags, nghttp2_data_source*, void* self_) -> ssize_t {
      auto& self = *static_cast<EchoServer*>(self_);
      const auto size = std::min(room, self.body_.size() - self.sent_);
      std::memcpy(to, self.body_.data() + self.sent_, size);
      self.sent_ += size;
      if (self.sent_ < self.body_.size()) return static_cast<ssize_t>(size);
      *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
      const nghttp2_nv trailers[] = {field("grpc-status", self.code_)};
      nghttp2_submit_trailer(session, id, trailers, 1);
      return static_cast<ssize_t>(size);
    };
    nghttp2_submit_response(session_, stream, fields, 2, &provider);
  }
  static int on_header(nghttp2_session*, const nghttp2_frame*, const std::uint8_t* name,
                       std::size_t name_size, const std::uint8_t* value, std::size_t value_size, std::uint8_t,
                       void* self) {
    auto& text = static_cast<EchoServer*>(self)->head;
    text.append(reinterpret_cast<const char*>(name), name_size).append("=");
    text.append(reinterpret_cast<const char*>(value), value_size).append(" ");
    return 0;
  }
  static int on_data(nghttp2_session*, std::uint8_t, std::int32_t, const std::uint8_t* data, std::size_t size,
                     void* self) {
    static_cast<EchoServer*>(self)->body_.append(reinterpret_cast<const char*>(data), size);
    return 0;
  }
  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* self) {
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
      static_cast<EchoServer*>(self)->answer(frame->hd.stream_id);
    return 0;
  }

  std::string code_, text_, body_;
  std::size_t sent_ = 0;
  nghttp2_session* session_ = nullptr;
};

// Answers every read with the same bytes.
class Babbler final : public RawStream {
 public:
  explicit Babbler(std::string text) : text_(std::move(text)) {}
  rt::Task<Result<std::string>> read_some(std::size_t) override { co_return text_; }
  rt::Task<Result<void>> write_all(std::string) override { co_return ok(); }
  void close() override {}

 private:
  std::string text_;
};

Result<GrpcAnswer> call(RawStream& server, std::string message) {
  rt::Loop loop;
  std::optional<Result<GrpcAnswer>> out;
  auto body = [&]() -> rt::Task<> {
    GrpcCall wanted{"pod:9000", "/s.S/M", std::move(message), "tester/1"};
    out.emplace(co_await call_grpc(server, std::move(wanted)));
  };
  rt::run_until_done(loop, body());
  return std::move(*out);
}

}  // namespace

TEST_CASE("a unary gRPC call sends its message and gets the answer") {
  for (const std::size_t size : {0, 3, 50000}) {
    EchoServer server("0");
    const auto answer = call(server, std::string(size, 'x'));
    REQUIRE(answer.ok());
    CHECK(answer->code == 0);
    CHECK(answer->message == std::string(size, 'x'));
    CHECK(server.head.find(":path=/s.S/M ") != std::string::npos);
    CHECK(server.head.find("user-agent=tester/1 ") != std::string::npos);
  }
}

TEST_CASE("a gRPC server's code and text come back") {
  EchoServer server("12", "unknown service%20X");
  const auto answer = call(server, "");
  REQUIRE(answer.ok());
  CHECK(answer->code == 12);
  CHECK(answer->text == "unknown service X");
}

TEST_CASE("who does not speak gRPC is told from who refuses") {
  Babbler old("HTTP/1.1 400 Bad Request\r\n\r\n"), silent("");
  for (RawStream* peer : {static_cast<RawStream*>(&old), static_cast<RawStream*>(&silent)}) {
    const auto answer = call(*peer, "x");
    REQUIRE_FALSE(answer.ok());
    CHECK(answer.error().is(Reason::kServiceUnavailable));
  }
}
