#include "http2_exchange.h"

namespace mk::net {
namespace {

constexpr std::size_t kQueuedMax = 64 << 10;  // of an answer that is made as it goes

Error client_has_gone() {
  return Error(Reason::kServiceUnavailable, "the client has closed the stream");
}

}  // namespace

// The body of a streamed answer. Holds the exchange, so the connection is there as long as it is.
class Http2Exchange::Writer : public BodyWriter {
 public:
  Writer(std::shared_ptr<Http2Exchange> exchange, bool silent)
      : exchange_(std::move(exchange)), silent_(silent) {}
  ~Writer() override {
    if (finished_ || exchange_->ended_) return;
    exchange_->session().reset(*exchange_->stream_, NGHTTP2_INTERNAL_ERROR);
    exchange_->connection_->http2()->wake();
  }

  rt::Task<Result<void>> write(std::vector<SharedBytes> chunks) override {
    auto exchange = exchange_;
    MK_CO_TRY(check());
    if (silent_) co_return ok();
    exchange->session().send(*exchange->stream_, std::move(chunks));
    exchange->connection_->http2()->wake();
    co_return co_await exchange->wait_for_room(kQueuedMax);
  }

  rt::Task<Result<void>> finish() override {
    auto exchange = exchange_;
    MK_CO_TRY(check());
    finished_ = exchange->complete_ = true;
    if (!silent_) exchange->session().finish(*exchange->stream_);
    exchange->connection_->http2()->wake();
    co_return co_await exchange->wait_for_room(kQueuedMax);
  }

 private:
  Result<void> check() const {
    if (exchange_->ended_ || finished_) return Error(Reason::kServiceUnavailable, "this answer has ended");
    if (exchange_->stream_->closed && !silent_) return client_has_gone();
    return ok();
  }

  std::shared_ptr<Http2Exchange> exchange_;
  const bool silent_;  // HEAD: what is written goes nowhere
  bool finished_ = false;
};

Http2Exchange::Http2Exchange(std::shared_ptr<Connection> connection, std::shared_ptr<Http2Stream> stream)
    : connection_(std::move(connection)),
      stream_(std::move(stream)),
      unanswered_(connection_->shared_handle()) {}

Result<void> Http2Exchange::begin() {
  if (started_ || ended_) return Error(Reason::kInternalError, "this request has been answered already");
  started_ = true;
  unanswered_.told();
  if (stream_->closed) return client_has_gone();
  return ok();
}

bool Http2Exchange::bodiless(int status) const {
  return request().method == "HEAD" || status == 204 || status == 304;
}

void Http2Exchange::put_head(int status, Headers headers, bool has_body) {
  if (!headers.has("Date")) headers.add("Date", connection_->shared().date_now());
  session().begin(*stream_, status, headers, has_body);
  connection_->http2()->wake();
}

// Waits until the client has taken all but `queued_max` bytes.
rt::Task<Result<void>> Http2Exchange::wait_for_room(std::size_t queued_max) {
  auto self = shared_from_this();
  while (stream_->queued > queued_max && !stream_->closed) co_await stream_->changed.wait();
  if (stream_->closed && !complete_) co_return client_has_gone();
  co_return ok();
}

rt::Task<Result<void>> Http2Exchange::respond(Response response) {
  std::vector<SharedBytes> body;
  body.emplace_back(std::move(response.body));
  return respond(response.status, std::move(response.headers), std::move(body));
}

rt::Task<Result<void>> Http2Exchange::respond(int status, Headers headers, std::vector<SharedBytes> body) {
  auto self = shared_from_this();
  MK_CO_TRY(begin());
  std::size_t size = 0;
  for (const auto& part : body) size += part.size();
  if (status != 204 && status != 304) headers.add("Content-Length", std::to_string(size));
  const bool has_body = size > 0 && !bodiless(status);
  put_head(status, std::move(headers), has_body);
  if (has_body) {
    session().send(*stream_, std::move(body));
    session().finish(*stream_);
  }
  complete_ = true;
  co_return co_await wait_for_room(kQueuedMax);
}

rt::Task<Result<std::unique_ptr<BodyWriter>>> Http2Exchange::start(int status, Headers headers) {
  auto self = shared_from_this();
  MK_CO_TRY(begin());
  const bool silent = bodiless(status);
  put_head(status, std::move(headers), !silent);
  std::unique_ptr<BodyWriter> writer = std::make_unique<Writer>(self, silent);
  co_return writer;
}

rt::Task<Error> Http2Exchange::refuse_upgrade() {
  const char* why = "connections are upgraded over HTTP/1.1 only";
  (void)co_await respond(status_response(400, "BadRequest", why));
  co_return Error(Reason::kBadRequest, why);
}

rt::Task<Result<std::unique_ptr<WebSocket>>> Http2Exchange::accept_websocket(std::vector<std::string>) {
  co_return co_await refuse_upgrade();
}

rt::Task<Result<std::unique_ptr<RawStream>>> Http2Exchange::upgrade(std::string, Headers) {
  co_return co_await refuse_upgrade();
}

rt::Task<> Http2Exchange::client_gone() {
  auto self = shared_from_this();
  while (!stream_->closed) co_await stream_->changed.wait();
}

void Http2Exchange::end() {
  ended_ = true;
  if (complete_ || stream_->closed) return;
  session().reset(*stream_, NGHTTP2_INTERNAL_ERROR);
  connection_->http2()->wake();
}

}  // namespace mk::net
