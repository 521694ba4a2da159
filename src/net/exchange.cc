#include "exchange.h"

#include <charconv>

#include "http_text.h"
#include "mk/base/strings.h"
#include "raw_stream.h"
#include "websocket_stream.h"

namespace mk::net {
namespace {

constexpr std::size_t kAtOnce = 16384;  // what a record of TLS carries

bool has_no_body(int status) {
  return status / 100 == 1 || status == 204 || status == 304;
}

Error already_answered() {
  return Error(Reason::kInternalError, "this request has been answered already");
}

}  // namespace

// The body of a streamed answer. Holds the exchange, so the connection is there as long as it is.
class HttpExchange::Writer : public BodyWriter {
 public:
  Writer(std::shared_ptr<HttpExchange> exchange, Framing framing, std::int64_t length)
      : exchange_(std::move(exchange)), framing_(framing), left_(length) {}
  ~Writer() override {
    if (!finished_ && !exchange_->ended_) exchange_->connection_->stream().abort();
  }

  rt::Task<Result<void>> write(std::vector<SharedBytes> chunks) override;
  rt::Task<Result<void>> finish() override;

 private:
  Result<void> check() const;

  std::shared_ptr<HttpExchange> exchange_;
  Framing framing_;
  std::int64_t left_;
  bool finished_ = false;
};

Result<void> HttpExchange::Writer::check() const {
  if (exchange_->ended_ || finished_) return Error(Reason::kServiceUnavailable, "this answer has ended");
  return ok();
}

rt::Task<Result<void>> HttpExchange::Writer::write(std::vector<SharedBytes> chunks) {
  auto exchange = exchange_;
  MK_CO_TRY(check());
  std::size_t size = 0;
  for (const auto& chunk : chunks) size += chunk.size();
  if (size == 0 || framing_ == Framing::kNone) co_return ok();
  if (framing_ == Framing::kLength && (left_ -= static_cast<std::int64_t>(size)) < 0)
    co_return Error(Reason::kInternalError, "the body is longer than its Content-Length");
  char head[24];
  std::vector<std::string_view> pieces;
  pieces.reserve(chunks.size() + 2);
  if (framing_ == Framing::kChunked) {
    char* end = std::to_chars(head, head + 16, size, 16).ptr;
    *end++ = '\r', *end++ = '\n';
    pieces.emplace_back(head, static_cast<std::size_t>(end - head));
  }
  for (const auto& chunk : chunks) pieces.push_back(chunk.view());
  if (framing_ == Framing::kChunked) pieces.emplace_back("\r\n");
  co_return co_await exchange->connection_->write(std::move(pieces));
}

rt::Task<Result<void>> HttpExchange::Writer::finish() {
  auto exchange = exchange_;
  MK_CO_TRY(check());
  if (framing_ == Framing::kLength && left_ != 0)
    co_return Error(Reason::kInternalError, "the body is shorter than its Content-Length");
  if (framing_ == Framing::kChunked) {
    std::vector<std::string_view> last{"0\r\n\r\n"};
    MK_CO_TRY(co_await exchange->connection_->write(std::move(last)));
  }
  finished_ = exchange->complete_ = true;
  co_return ok();
}

HttpExchange::HttpExchange(std::shared_ptr<Connection> connection, std::unique_ptr<RequestParser> parser)
    : connection_(std::move(connection)),
      parser_(std::move(parser)),
      unanswered_(connection_->shared_handle()) {}

Result<void> HttpExchange::begin() {
  if (started_ || ended_) return already_answered();
  started_ = true;
  unanswered_.told();
  return ok();
}

// The status line and every field; `length` where the body's is known.
std::string HttpExchange::head(int status, const Headers& headers, std::optional<std::size_t> length) {
  std::string out;
  out.reserve(256);
  out.append("HTTP/1.1 ")
      .append(std::to_string(status))
      .append(" ")
      .append(status_text(status))
      .append("\r\n");
  append_fields(out, headers);
  if (!headers.has("Date")) out.append("Date: ").append(connection_->shared().date_now()).append("\r\n");
  if (length && !has_no_body(status))
    out.append("Content-Length: ").append(std::to_string(*length)).append("\r\n");
  if (!keep_alive_) {
    out.append("Connection: close\r\n");
  } else if (parser_->version == 10) {
    out.append("Connection: keep-alive\r\n");
  }
  return out;
}

rt::Task<Result<void>> HttpExchange::respond(Response response) {
  auto self = shared_from_this();
  MK_CO_TRY(begin());
  std::string out = head(response.status, response.headers, response.body.size());
  out.append("\r\n");
  std::vector<std::string_view> pieces{out};
  if (!is_head() && !has_no_body(response.status)) pieces.push_back(response.body);
  auto sent = co_await connection_->write(std::move(pieces));
  complete_ = sent.ok();
  co_return sent;
}

rt::Task<Result<void>> HttpExchange::respond(int status, Headers headers, std::vector<SharedBytes> body) {
  auto self = shared_from_this();
  MK_CO_TRY(begin());
  std::size_t size = 0;
  for (const auto& part : body) size += part.size();
  std::string out = head(status, headers, size);
  out.append("\r\n");
  if (is_head() || has_no_body(status)) body.clear();
  std::vector<std::string_view> pieces;
  std::size_t written = 0;
  if (out.size() + size <= kAtOnce) {  // mostly the socket takes it as it is
    for (const auto& part : body) out.append(part.view());
    body.clear();
    written = connection_->write_now(out);
    if (written == out.size()) {
      complete_ = true;
      co_return ok();
    }
  }
  pieces.push_back(std::string_view(out).substr(written));
  for (const auto& part : body) pieces.push_back(part.view());
  auto sent = co_await connection_->write(std::move(pieces));
  complete_ = sent.ok();
  co_return sent;
}

rt::Task<Result<std::unique_ptr<BodyWriter>>> HttpExchange::start(int status, Headers headers) {
  auto self = shared_from_this();
  MK_CO_TRY(begin());
  Framing framing = Framing::kChunked;
  const auto length = parse_int(headers.get("Content-Length"));
  if (parser_->version == 10) framing = Framing::kUntilClose;
  if (length) framing = Framing::kLength;
  if (is_head() || has_no_body(status)) framing = Framing::kNone;
  if (framing == Framing::kUntilClose) keep_alive_ = false;
  std::string out = head(status, headers, std::nullopt);
  if (framing == Framing::kChunked || (framing == Framing::kNone && is_head() && !length))
    out.append("Transfer-Encoding: chunked\r\n");
  out.append("\r\n");
  std::vector<std::string_view> pieces{out};
  MK_CO_TRY(co_await connection_->write(std::move(pieces)));
  std::unique_ptr<BodyWriter> writer = std::make_unique<Writer>(self, framing, length.value_or(0));
  co_return writer;
}

bool HttpExchange::wants_websocket() const {
  const auto& headers = request().headers;
  return request().method == "GET" && same_name(headers.get("Upgrade"), "websocket") &&
         list_contains(headers.get("Connection"), "upgrade");
}

rt::Task<Result<void>> HttpExchange::switch_protocols(Headers headers) {
  MK_CO_TRY(begin());
  upgraded_ = true;
  std::string out = "HTTP/1.1 101 Switching Protocols\r\n";
  headers.set("Connection", "Upgrade");
  append_fields(out, headers);
  out.append("\r\n");
  std::vector<std::string_view> pieces{out};
  connection_->give_back_input();
  co_return co_await connection_->write(std::move(pieces));
}

rt::Task<Result<std::unique_ptr<WebSocket>>> HttpExchange::accept_websocket(
    std::vector<std::string> subprotocols) {
  auto self = shared_from_this();
  const auto& headers = request().headers;
  const auto key = base64_decode(headers.get("Sec-WebSocket-Key"));
  if (!wants_websocket() || headers.get("Sec-WebSocket-Version") != "13" || !key || key->size() != 16) {
    const char* why = "this needs a WebSocket request (RFC 6455, version 13)";
    MK_CO_TRY(co_await respond(status_response(400, "BadRequest", why)));
    co_return Error(Reason::kBadRequest, why);
  }
  std::string chosen;
  for (const auto& [name, value] : headers.all()) {
    if (!same_name(name, "Sec-WebSocket-Protocol")) continue;
    for (const auto part : split(value, ','))
      for (const auto& ours : subprotocols)
        if (chosen.empty() && trim(part) == ours) chosen = ours;
  }
  Headers answer;
  answer.set("Upgrade", "websocket");
  answer.set("Sec-WebSocket-Accept", websocket_accept(headers.get("Sec-WebSocket-Key")));
  if (!chosen.empty()) answer.set("Sec-WebSocket-Protocol", chosen);
  MK_CO_TRY(co_await switch_protocols(std::move(answer)));
  co_return make_websocket(connection_->stream_handle(), connection_->shared().clock, WebSocketSide::kServer,
                           std::move(chosen));
}

rt::Task<Result<std::unique_ptr<RawStream>>> HttpExchange::upgrade(std::string protocol, Headers headers) {
  auto self = shared_from_this();
  headers.set("Upgrade", std::move(protocol));
  MK_CO_TRY(co_await switch_protocols(std::move(headers)));
  co_return make_raw_stream(connection_->stream_handle());
}

rt::Task<> HttpExchange::client_gone() {
  auto self = shared_from_this();
  if (upgraded_) {  // reading is the new protocol's business
    rt::Event never;
    co_await never.wait();
  }
  co_await connection_->stream().wait_for_end();
}

}  // namespace mk::net
