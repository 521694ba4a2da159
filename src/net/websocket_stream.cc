#include "websocket_stream.h"

#include <openssl/evp.h>

#include "mk/base/ids.h"
#include "mk/base/strings.h"
#include "mk/rt/event.h"

namespace mk::net {
namespace {

constexpr std::size_t kMessageMax = 16 << 20;
constexpr auto kCloseWait = std::chrono::seconds(2);

enum Opcode : unsigned { kContinuation = 0, kText = 1, kBinary = 2, kClose = 8, kPing = 9, kPong = 10 };

struct Frame {
  bool final = false;
  unsigned opcode = 0;
  std::string payload;
};

void apply_mask(char* data, std::size_t size, const char* mask) {
  for (std::size_t i = 0; i < size; ++i) data[i] ^= mask[i % 4];
}

std::string encode_frame(unsigned opcode, std::string_view payload, bool mask) {
  std::string out;
  out.reserve(payload.size() + 14);
  out.push_back(static_cast<char>(0x80 | opcode));
  const char mask_bit = mask ? '\x80' : '\0';
  if (payload.size() < 126) {
    out.push_back(static_cast<char>(mask_bit | static_cast<char>(payload.size())));
  } else {
    const int bytes = payload.size() < 65536 ? 2 : 8;
    out.push_back(static_cast<char>(mask_bit | (bytes == 2 ? 126 : 127)));
    for (int i = bytes - 1; i >= 0; --i) out.push_back(static_cast<char>(payload.size() >> (8 * i)));
  }
  const std::string key = mask ? random_bytes(4) : std::string();
  out += key;
  const std::size_t start = out.size();
  out += payload;
  if (mask) apply_mask(out.data() + start, payload.size(), key.data());
  return out;
}

std::string close_payload(int code, std::string_view reason) {
  std::string out{static_cast<char>(code >> 8), static_cast<char>(code)};
  return out.append(reason.substr(0, 123));
}

class WebSocketImpl : public WebSocket {
 public:
  WebSocketImpl(std::shared_ptr<Stream> stream, rt::Clock& clock, WebSocketSide side, std::string subprotocol)
      : state_(std::make_shared<State>(std::move(stream), side)),
        clock_(clock),
        subprotocol_(std::move(subprotocol)) {}
  ~WebSocketImpl() override { state_->stream->close(); }

  const std::string& subprotocol() const override { return subprotocol_; }
  rt::Task<Result<Message>> read() override { return read_message(state_); }
  rt::Task<Result<void>> write(Message message) override {
    return send(state_, message.binary ? kBinary : kText, std::move(message.data));
  }
  rt::Task<> close(int code, std::string reason) override {
    return close_within(state_, clock_, code, std::move(reason));
  }

 private:
  // Shared with the running operations, which may outlive the handle by a moment.
  struct State {
    State(std::shared_ptr<Stream> stream_, WebSocketSide side_) : stream(std::move(stream_)), side(side_) {}
    std::shared_ptr<Stream> stream;
    WebSocketSide side;
    std::string input;    // bytes of frames not taken yet
    std::string message;  // fragments so far
    bool fragmented = false, binary = false;
    bool close_sent = false, close_received = false;
    bool writing = false;  // frames must not interleave: the reader answers pings while the writer writes
    rt::Event written;
  };
  struct Writing {
    explicit Writing(std::shared_ptr<State> state_) : state(std::move(state_)) { state->writing = true; }
    ~Writing() {
      state->writing = false;
      state->written.notify_one();
      if (!whole) state->stream->close();  // half a frame is out: nothing after it would make sense
    }
    std::shared_ptr<State> state;
    bool whole = false;
  };

  static rt::Task<Result<Message>> read_message(std::shared_ptr<State> state);
  static rt::Task<Result<Frame>> read_frame(std::shared_ptr<State> state);
  static Result<std::optional<Frame>> take_frame(State& state);
  static rt::Task<Result<void>> handle_control(std::shared_ptr<State> state, Frame frame);
  static rt::Task<Result<void>> send(std::shared_ptr<State> state, unsigned opcode, std::string payload);
  static rt::Task<Error> fail(std::shared_ptr<State> state, int code, Error error);
  static rt::Task<> close_within(std::shared_ptr<State> state, rt::Clock& clock, int code,
                                 std::string reason);
  static rt::Task<> close_handshake(std::shared_ptr<State> state, int code, std::string reason);

  std::shared_ptr<State> state_;
  rt::Clock& clock_;
  std::string subprotocol_;
};

// One frame off the front of the input; nothing while it is incomplete.
Result<std::optional<Frame>> WebSocketImpl::take_frame(State& state) {
  const std::string& in = state.input;
  if (in.size() < 2) return std::optional<Frame>();
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(in[i]); };
  const Error protocol(Reason::kBadRequest, "websocket: malformed frame");
  const bool masked = byte(1) & 0x80;
  if ((byte(0) & 0x70) != 0 || masked != (state.side == WebSocketSide::kServer)) return protocol;
  std::uint64_t size = byte(1) & 0x7f;
  const std::size_t length_bytes = size < 126 ? 0 : size == 126 ? 2 : 8;
  const std::size_t head = 2 + length_bytes + (masked ? 4 : 0);
  if (in.size() < 2 + length_bytes) return std::optional<Frame>();
  if (length_bytes > 0) size = 0;
  for (std::size_t i = 0; i < length_bytes; ++i) size = size << 8 | byte(2 + i);
  const unsigned opcode = byte(0) & 0x0f;
  const bool final = byte(0) & 0x80;
  if (opcode >= kClose && (size > 125 || !final)) return protocol;
  if (size > kMessageMax || state.message.size() + size > kMessageMax)
    return Error(Reason::kRequestEntityTooLarge, "websocket: a message is larger than 16 MiB");
  if (in.size() < head + size) return std::optional<Frame>();
  Frame frame{final, opcode, in.substr(head, size)};
  if (masked) apply_mask(frame.payload.data(), frame.payload.size(), in.data() + head - 4);
  state.input.erase(0, head + size);
  if (state.input.empty()) state.input.shrink_to_fit();
  return std::optional<Frame>(std::move(frame));
}

rt::Task<Result<Frame>> WebSocketImpl::read_frame(std::shared_ptr<State> state) {
  for (;;) {
    auto frame = take_frame(*state);
    if (!frame) co_return std::move(frame).error();
    if (*frame) co_return std::move(**frame);
    // close() reads beside a reader that may have taken the peer's close frame.
    if (state->close_received) co_return Error(Reason::kGone, "websocket: closed");
    if (!state->stream->has_pending()) MK_CO_TRY(co_await state->stream->wait_readable());
    char data[8192];
    const auto count = state->stream->try_read(data, sizeof data);
    if (count == 0) co_return Error(Reason::kServiceUnavailable, "websocket: the connection broke off");
    if (count > 0) {
      state->input.append(data, static_cast<std::size_t>(count));
    } else {
      MK_CO_TRY(co_await state->stream->wait_readable());
    }
  }
}

rt::Task<Result<WebSocket::Message>> WebSocketImpl::read_message(std::shared_ptr<State> state) {
  for (;;) {
    if (state->close_received) co_return Error(Reason::kGone, "websocket: closed");
    auto frame = co_await read_frame(state);
    if (!frame) {
      const bool ours =
          frame.error().is(Reason::kBadRequest) || frame.error().is(Reason::kRequestEntityTooLarge);
      if (!ours) co_return std::move(frame).error();
      const int code = frame.error().is(Reason::kBadRequest) ? 1002 : 1009;
      co_return co_await fail(state, code, std::move(frame).error());
    }
    if (frame->opcode >= kClose) {
      MK_CO_TRY(co_await handle_control(state, std::move(*frame)));
      continue;
    }
    const bool continues = frame->opcode == kContinuation;
    if (continues != state->fragmented || frame->opcode > kBinary)
      co_return co_await fail(state, 1002, Error(Reason::kBadRequest, "websocket: unexpected frame"));
    if (!continues) state->binary = frame->opcode == kBinary;
    state->fragmented = !frame->final;
    if (state->message.empty()) {
      state->message = std::move(frame->payload);
    } else {
      state->message += frame->payload;
    }
    if (!frame->final) continue;
    Message message(state->binary, std::move(state->message));
    state->message.clear();
    co_return message;
  }
}

rt::Task<Result<void>> WebSocketImpl::handle_control(std::shared_ptr<State> state, Frame frame) {
  if (frame.opcode == kPing) co_return co_await send(state, kPong, std::move(frame.payload));
  if (frame.opcode == kPong) co_return ok();
  if (frame.opcode != kClose)
    co_return co_await fail(state, 1002, Error(Reason::kBadRequest, "websocket: unknown frame"));
  state->close_received = true;
  if (!state->close_sent) {
    auto ignored = co_await send(state, kClose, frame.payload.substr(0, 2));
    if (state->side == WebSocketSide::kServer) state->stream->close_write();
  }
  if (frame.payload.size() < 2) co_return Error(Reason::kGone, "websocket: closed");
  const int code =
      static_cast<unsigned char>(frame.payload[0]) << 8 | static_cast<unsigned char>(frame.payload[1]);
  co_return Error(Reason::kGone,
                  "websocket: closed with code " + std::to_string(code) +
                      (frame.payload.size() > 2 ? ": " + frame.payload.substr(2) : std::string()));
}

rt::Task<Result<void>> WebSocketImpl::send(std::shared_ptr<State> state, unsigned opcode,
                                           std::string payload) {
  while (state->writing) co_await state->written.wait();
  if (state->close_sent) co_return Error(Reason::kGone, "websocket: closed");
  if (opcode == kClose) state->close_sent = true;
  Writing writing(state);
  const std::string frame = encode_frame(opcode, payload, state->side == WebSocketSide::kClient);
  auto sent = co_await state->stream->write(frame);
  writing.whole = sent.ok();
  co_return sent;
}

rt::Task<Error> WebSocketImpl::fail(std::shared_ptr<State> state, int code, Error error) {
  auto ignored = co_await send(state, kClose, close_payload(code, error.message()));
  state->stream->close();
  co_return error;
}

rt::Task<> WebSocketImpl::close_handshake(std::shared_ptr<State> state, int code, std::string reason) {
  auto sent = co_await send(state, kClose, close_payload(code, reason));
  if (sent.ok() && state->side == WebSocketSide::kServer && state->close_received)
    state->stream->close_write();
  while (sent.ok() && !state->close_received) {
    auto message = co_await read_message(state);
    if (!message.ok()) break;
  }
}

rt::Task<> WebSocketImpl::close_within(std::shared_ptr<State> state, rt::Clock& clock, int code,
                                       std::string reason) {
  co_await rt::race(close_handshake(state, code, std::move(reason)), clock.sleep_for(kCloseWait));
  state->stream->close();
}

}  // namespace

std::unique_ptr<WebSocket> make_websocket(std::shared_ptr<Stream> stream, rt::Clock& clock,
                                          WebSocketSide side, std::string subprotocol) {
  return std::make_unique<WebSocketImpl>(std::move(stream), clock, side, std::move(subprotocol));
}

std::string make_websocket_key() {
  return base64_encode(random_bytes(16));
}

std::string websocket_accept(std::string_view key) {
  const std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // RFC 6455 section 1.3
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  MK_ASSERT(EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha1(), nullptr) == 1);
  return base64_encode(std::string_view(reinterpret_cast<char*>(digest), size));
}

}  // namespace mk::net
