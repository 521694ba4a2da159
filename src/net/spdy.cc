#include "mk/net/spdy.h"

#include <deque>
#include <map>

#include "mk/net/unread.h"
#include "mk/rt/event.h"
#include "spdy_headers.h"

namespace mk::net {

namespace {

constexpr std::size_t kFrameHead = 8, kFrameMax = 1 << 20;
constexpr std::size_t kPieceMax = 32 << 10;  // of one data frame of ours
constexpr std::size_t kStreamsMax = 1000;
constexpr std::uint8_t kFin = 1;
constexpr std::uint32_t kControl = 0x80030000, kIdMask = 0x7fffffff;
enum Type : std::uint32_t {
  kSynStream = 1,
  kSynReply = 2,
  kRstStream = 3,
  kPing = 6,
  kGoAway = 7,
  kHeaders = 8
};

std::string frame(std::uint32_t first, std::uint8_t flags, std::string_view body) {
  std::string out;
  append_u32(out, first);
  append_u32(out, static_cast<std::uint32_t>(flags) << 24 | static_cast<std::uint32_t>(body.size()));
  return out.append(body);
}

// What a session and its streams share; streams may outlive it.
struct Connection {
  explicit Connection(std::shared_ptr<RawStream> raw_) : raw(std::move(raw_)) {}
  std::shared_ptr<RawStream> raw;
  bool writing = false, ended = false;
  rt::Event written;

  // One writer at a time.
  rt::Task<Result<void>> send(std::string data) {
    while (writing) co_await written.wait();
    if (ended) co_return Error(Reason::kGone, "the connection has ended");
    writing = true;
    auto result = co_await raw->write_all(std::move(data));
    writing = false;
    written.notify_one();
    co_return result;
  }
};

class Stream final : public SpdyStream {
 public:
  Stream(std::shared_ptr<Connection> connection, std::uint32_t id, Headers headers)
      : connection_(std::move(connection)), id_(id), headers_(std::move(headers)) {}

  const Headers& headers() const override { return headers_; }
  rt::Task<Result<std::string>> read() override { return unread_.read(); }
  rt::Task<Result<void>> write(std::string data) override {
    for (std::size_t at = 0; at < data.size(); at += kPieceMax) {
      if (finished_) co_return Error(Reason::kGone, "the stream has ended");
      MK_CO_TRY(co_await connection_->send(frame(id_, 0, std::string_view(data).substr(at, kPieceMax))));
    }
    co_return ok();
  }
  rt::Task<> finish() override {
    if (finished_) co_return;
    finished_ = true;
    (void)co_await connection_->send(frame(id_, kFin, ""));
  }

  rt::Task<> take(std::string data) { return unread_.take(std::move(data)); }
  void end() { unread_.end(); }
  void reset() {
    finished_ = true;
    end();
  }

 private:
  std::shared_ptr<Connection> connection_;
  const std::uint32_t id_;
  const Headers headers_;
  Unread unread_;
  bool finished_ = false;
};

class Session final : public SpdySession {
 public:
  explicit Session(std::shared_ptr<RawStream> raw)
      : connection_(std::make_shared<Connection>(std::move(raw))) {}
  ~Session() override { end(); }

  rt::Task<> run() override {
    while (co_await read_frame()) {
    }
    end();
    connection_->raw->close();
  }

  rt::Task<std::shared_ptr<SpdyStream>> accept() override {
    while (opened_.empty() && !connection_->ended) co_await changed_.wait();
    if (opened_.empty()) co_return nullptr;
    const auto stream = std::move(opened_.front());
    opened_.pop_front();
    // Whoever lets go of a stream reads it no more: then it must not hold up the others.
    const auto release = [stream](SpdyStream*) { stream->reset(); };
    co_return std::shared_ptr<SpdyStream>(stream.get(), release);
  }

 private:
  void end() {
    connection_->ended = true;
    for (auto& [id, weak] : streams_)
      if (const auto stream = weak.lock()) stream->reset();
    changed_.notify_all();
  }

  // False: there is no more.
  rt::Task<bool> fill(std::size_t size) {
    while (input_.size() < size) {
      auto more = co_await connection_->raw->read_some(64 << 10);
      if (!more.ok() || more->empty()) co_return false;
      input_ += *more;
    }
    co_return true;
  }

  rt::Task<bool> read_frame() {
    if (!co_await fill(kFrameHead)) co_return false;
    const std::uint32_t first = read_u32(input_, 0), second = read_u32(input_, 4);
    const auto flags = static_cast<std::uint8_t>(second >> 24);
    const std::size_t size = second & 0xffffff;
    if (size > kFrameMax || !co_await fill(kFrameHead + size)) co_return false;
    std::string body = input_.substr(kFrameHead, size);
    input_.erase(0, kFrameHead + size);
    if ((first & ~kIdMask) != 0) co_return co_await take_control(first, flags, std::move(body));
    if (const auto stream = find(first)) {
      co_await stream->take(std::move(body));
      if ((flags & kFin) != 0) stream->end();
    }
    co_return true;
  }

  std::shared_ptr<Stream> find(std::uint32_t id) {
    const auto found = streams_.find(id);
    return found == streams_.end() ? nullptr : found->second.lock();
  }

  rt::Task<bool> take_control(std::uint32_t first, std::uint8_t flags, std::string body) {
    if ((first & 0xffff0000) != kControl) co_return false;  // another version
    const std::uint32_t type = first & 0xffff;
    if (type == kSynStream) co_return co_await open(flags, std::move(body));
    if (type == kHeaders) co_return body.size() >= 4 && codec_.decode(std::string_view(body).substr(4)).ok();
    if (type == kRstStream && body.size() >= 4) {
      if (const auto stream = find(read_u32(body, 0) & kIdMask)) stream->reset();
    }
    if (type == kPing) co_return (co_await connection_->send(frame(kControl | kPing, 0, body))).ok();
    co_return type != kGoAway;
  }

  rt::Task<bool> open(std::uint8_t flags, std::string body) {
    constexpr std::size_t kFixed = 10;
    if (body.size() < kFixed) co_return false;
    const std::uint32_t id = read_u32(body, 0) & kIdMask;
    auto headers = codec_.decode(std::string_view(body).substr(kFixed));
    if (!headers.ok() || id % 2 == 0 || streams_.count(id) != 0) co_return false;
    std::erase_if(streams_, [](const auto& entry) { return entry.second.expired(); });
    if (streams_.size() >= kStreamsMax) co_return false;
    auto stream = std::make_shared<Stream>(connection_, id, std::move(*headers));
    streams_[id] = stream;
    if ((flags & kFin) != 0) stream->end();
    std::string reply;
    append_u32(reply, id);
    reply += codec_.encode(Headers());
    if (!(co_await connection_->send(frame(kControl | kSynReply, 0, reply))).ok()) co_return false;
    opened_.push_back(std::move(stream));
    changed_.notify_all();
    co_return true;
  }

  std::shared_ptr<Connection> connection_;
  SpdyHeaders codec_;
  std::string input_;
  std::map<std::uint32_t, std::weak_ptr<Stream>> streams_;
  std::deque<std::shared_ptr<Stream>> opened_;
  rt::Event changed_;
};

class Tunnel final : public RawStream {
 public:
  explicit Tunnel(std::shared_ptr<WebSocket> socket) : socket_(std::move(socket)) {}

  rt::Task<Result<std::string>> read_some(std::size_t count_max) override {
    while (kept_.empty()) {
      auto message = co_await socket_->read();
      if (!message.ok()) co_return std::string();
      kept_ = std::move(message->data);
    }
    std::string out = kept_.substr(0, count_max);
    kept_.erase(0, out.size());
    co_return out;
  }
  rt::Task<Result<void>> write_all(std::string data) override {
    WebSocket::Message message(true, std::move(data));
    co_return co_await socket_->write(std::move(message));
  }
  void close() override {}  // with the socket

 private:
  std::shared_ptr<WebSocket> socket_;
  std::string kept_;
};

}  // namespace

std::unique_ptr<SpdySession> serve_spdy(std::shared_ptr<RawStream> connection) {
  return std::make_unique<Session>(std::move(connection));
}

std::shared_ptr<RawStream> tunnel_in(std::shared_ptr<WebSocket> socket) {
  return std::make_shared<Tunnel>(std::move(socket));
}

}  // namespace mk::net
