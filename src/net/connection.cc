#include "connection.h"

#include <boost/asio/error.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <ctime>

#include "exchange.h"
#include "http2_connection.h"
#include "http_text.h"
#include "mk/base/log.h"

namespace mk::net {
namespace {

constexpr Log kLog("net");
constexpr auto kLinger = std::chrono::seconds(2);
constexpr std::size_t kLingerBytes = 4 << 20;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

std::int64_t unix_seconds(rt::Clock& clock) {
  return std::chrono::floor<std::chrono::seconds>(clock.now()).time_since_epoch().count();
}

}  // namespace

const std::string& ServerShared::date_now() {
  const std::int64_t second = unix_seconds(clock);
  if (second == date_second) return date;
  date_second = second;
  const std::time_t time = second;
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  char text[64];
  date.assign(text, std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts));
  return date;
}

Response status_response(int code, std::string_view reason, std::string_view message) {
  const std::string text = boost::json::serialize(boost::json::string(message));
  return Response(code, "application/json",
                  R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":)" + text +
                      R"(,"reason":")" + std::string(reason) + R"(","code":)" + std::to_string(code) + "}\n");
}

Unanswered::Unanswered(std::shared_ptr<ServerShared> shared) : shared_(std::move(shared)) {
  ++shared_->unanswered;
}

void Unanswered::told() {
  if (shared_) --shared_->unanswered;
  shared_ = nullptr;
}

Connection::Connection(std::shared_ptr<ServerShared> shared, Socket socket)
    : shared_(std::move(shared)), stream_(std::move(socket), shared_->tls), kept_(shared_->kept) {
  shared_->connections.insert(this);
  shared_->connections_changed.notify_all();
}

Connection::~Connection() {
  shared_->connections.erase(this);
}

void Connection::set_deadline(rt::Duration from_now) {
  deadline_ = shared_->clock.mono() + from_now;
}

void Connection::shut_down() {
  if (http2_) http2_->shut_down();
}

void Connection::sweep(rt::MonoTime now) {
  if (http2_) {
    http2_->sweep(now);
    return;
  }
  if (now < deadline_) return;
  if (writing_ && stream_.bytes_written() != written_seen_) {
    written_seen_ = stream_.bytes_written();
    deadline_ = now + shared_->limits.stall_timeout;
    return;
  }
  kLog.debug("closing a connection that took too long", "client", stream_.remote_address());
  if (writing_) {
    stream_.abort();
  } else {
    stream_.close();
  }
}

rt::Task<bool> Connection::handshake() {
  if (!stream_.ssl()) co_return true;
  set_deadline(shared_->limits.header_timeout);
  const std::string client_ca_pem = shared_->client_ca_pem;  // of the context this handshake uses
  auto done = co_await stream_.accept_tls();
  if (!done.ok()) {
    kLog.debug("TLS handshake failed", "client", stream_.remote_address(), "error", done.error().message());
    co_return false;
  }
  if (!client_ca_pem.empty()) check_client(client_ca_pem);
  co_return true;
}

void Connection::check_client(const std::string& ca_pem) {
  const std::string chain = peer_certificates(stream_.ssl());
  if (chain.empty()) return;
  auto verified = pki::verify_certificate(chain, ca_pem, unix_seconds(shared_->clock));
  auto info = pki::parse_certificate(chain);
  if (!verified.ok()) {
    client_certificate_error_ = verified.error().message();
  } else if (!info.ok()) {
    client_certificate_error_ = info.error().message();
  } else if (!info->client_auth) {
    client_certificate_error_ = "certificate is not meant for client authentication";
  } else {
    client_certificate_ = std::move(*info);
  }
}

rt::Task<> Connection::serve(std::shared_ptr<Connection> self) {
  if (!co_await self->handshake()) co_return;
  if (negotiated_http2(self->stream_.ssl())) {
    self->no_deadline();
    self->http2_ = std::make_unique<Http2Connection>(*self);
    co_await Http2Connection::run(self);
    co_return;
  }
  for (int served = 1;; ++served) {
    auto parser = co_await self->read_request();
    if (!parser) break;
    if (!co_await self->answer(std::move(parser))) co_return;
    if (served % 16 == 0) co_await rt::yield();  // a client that pipelines must not starve the others
  }
  self->close();
}

rt::Task<std::unique_ptr<RequestParser>> Connection::read_request() {
  kept_.set(input_.size());
  if (input_.empty() && !stream_.has_pending()) {
    set_deadline(shared_->limits.idle_timeout);
    if (!(co_await stream_.wait_readable()).ok()) co_return nullptr;
  }
  set_deadline(shared_->limits.header_timeout);
  auto parser = std::make_unique<RequestParser>();
  parser->header_limit(static_cast<std::uint32_t>(shared_->limits.header_max));
  parser->body_limit(shared_->limits.body_max);
  auto read = co_await read_message(*parser);
  no_deadline();
  if (read.ok()) {
    parser->request.body = std::move(parser->body);
    co_return parser;
  }
  if (!read.error().is(Reason::kServiceUnavailable)) co_await refuse(std::move(read).error());
  co_return nullptr;
}

// What the parser did not take goes to input_.
Result<void> Connection::feed(RequestParser& parser, std::string_view data) {
  if (!input_.empty()) {
    input_.append(data);
    data = input_;
  }
  auto used = parser.feed(data);
  if (!used) return std::move(used).error();
  std::string left(data.substr(*used));
  input_ = std::move(left);
  return ok();
}

rt::Task<Result<void>> Connection::read_message(RequestParser& parser) {
  std::size_t received = input_.size();
  kept_.set(received);
  if (!input_.empty()) MK_CO_TRY(feed(parser, {}));  // pipelined
  bool continued = false;
  while (!parser.is_done()) {
    if (parser.is_header_done() && !continued) {
      continued = true;
      if (same_name(parser.request.headers.get("Expect"), "100-continue") && input_.empty())
        MK_CO_TRY(co_await stream_.write(kContinue));
    }
    std::string& scratch = shared_->scratch;
    const auto count = stream_.try_read(scratch.data(), scratch.size());
    if (count > 0) {
      received += static_cast<std::size_t>(count);
      if (!kept_.set(received)) co_return Error(Reason::kTooManyRequests, "no room for the request");
      MK_CO_TRY(feed(parser, std::string_view(scratch.data(), static_cast<std::size_t>(count))));
      if (parser.is_header_done()) set_deadline(shared_->limits.header_timeout);
    } else if (count == 0) {
      co_return Error(Reason::kServiceUnavailable, "the client closed the connection");
    } else {
      MK_CO_TRY(co_await stream_.wait_readable());
    }
  }
  co_return ok();
}

rt::Task<> Connection::run_handler(std::shared_ptr<Exchange> exchange) {
  std::string failure;
  try {
    co_await shared_->handler(exchange);
  } catch (const boost::system::system_error& error) {
    if (error.code() == boost::asio::error::operation_aborted) throw;
    failure = error.what();
  } catch (const std::exception& error) {
    failure = error.what();
  }
  if (failure.empty()) co_return;
  const auto& request = exchange->request();
  kLog.error("handler failed", "method", request.method, "path", request.path(), "error", failure);
}

Response Connection::handler_failed() {
  return status_response(500, "InternalError",
                         "an error on the server has prevented the request from succeeding");
}

// False when the connection is at its end (or belongs to somebody else now).
rt::Task<bool> Connection::answer(std::unique_ptr<RequestParser> parser) {
  const bool keep_alive = parser->keep_alive();
  auto exchange = std::make_shared<HttpExchange>(shared_from_this(), std::move(parser));
  if (!keep_alive) exchange->refuse_keep_alive();
  co_await run_handler(exchange);
  if (!exchange->started()) (void)co_await exchange->respond(handler_failed());
  exchange->end();
  if (exchange->reusable()) co_return true;
  if (exchange->upgraded()) co_return false;  // closed with the last handle
  if (exchange->complete()) {
    co_await linger();
    close();
  } else {
    stream_.abort();
  }
  co_return false;
}

Response Connection::refusal(int code) const {
  if (code == 400) return status_response(400, "BadRequest", "the request cannot be understood");
  if (code == 503)
    return status_response(503, "ServiceUnavailable",
                           "the server is receiving too many large requests; try again later");
  const bool body = code == 413;
  const std::size_t limit = body ? shared_->limits.body_max : shared_->limits.header_max;
  return status_response(code, body ? "RequestEntityTooLarge" : "BadRequest",
                         std::string("the request ") + (body ? "body" : "header") + " exceeds the limit of " +
                             std::to_string(limit) + " bytes");
}

rt::Task<> Connection::refuse(Error error) {
  int code = 400;
  if (error.is(Reason::kRequestEntityTooLarge)) code = 413;
  if (error.name == "header_limit") code = 431;
  if (error.is(Reason::kTooManyRequests)) code = 503;
  Response response = code == 400 ? status_response(400, "BadRequest", error.message()) : refusal(code);
  auto exchange = std::make_shared<HttpExchange>(shared_from_this(), std::make_unique<RequestParser>());
  exchange->refuse_keep_alive();
  auto sent = co_await exchange->respond(std::move(response));
  exchange->end();
  if (sent.ok()) co_await linger();
}

// Closing a socket with unread input resets it, and the client might never see our answer: so what it still
// sends is read and dropped for a moment.
rt::Task<> Connection::linger() {
  set_deadline(kLinger);
  stream_.close_write();
  std::size_t dropped = 0;
  while (dropped < kLingerBytes) {
    const auto count = stream_.try_read(shared_->scratch.data(), shared_->scratch.size());
    if (count == 0) break;
    if (count > 0) {
      dropped += static_cast<std::size_t>(count);
    } else if (!(co_await stream_.wait_readable()).ok()) {
      break;
    }
  }
}

void Connection::give_back_input() {
  stream_.unread(input_);
  input_.clear();
}

rt::Task<Result<void>> Connection::write(std::vector<std::string_view> pieces) {
  set_deadline(shared_->limits.stall_timeout);
  written_seen_ = stream_.bytes_written();
  writing_ = true;
  auto written = co_await stream_.write_pieces(std::move(pieces));
  writing_ = false;
  no_deadline();
  co_return written;
}

}  // namespace mk::net
