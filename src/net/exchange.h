#pragma once

#include "connection.h"

namespace mk::net {

// The Exchange of one request on a Connection.
class HttpExchange : public Exchange, public std::enable_shared_from_this<HttpExchange> {
 public:
  HttpExchange(std::shared_ptr<Connection> connection, std::unique_ptr<RequestParser> parser);

  const Request& request() const override { return parser_->request; }
  std::string remote_address() const override { return connection_->stream().remote_address(); }
  const std::optional<pki::CertificateInfo>& client_certificate() const override {
    return connection_->client_certificate();
  }
  std::string client_certificate_error() const override { return connection_->client_certificate_error(); }

  rt::Task<Result<void>> respond(Response response) override;
  rt::Task<Result<void>> respond(int status, Headers headers, std::vector<SharedBytes> body) override;
  rt::Task<Result<std::unique_ptr<BodyWriter>>> start(int status, Headers headers) override;
  bool wants_websocket() const override;
  rt::Task<Result<std::unique_ptr<WebSocket>>> accept_websocket(
      std::vector<std::string> subprotocols) override;
  rt::Task<Result<std::unique_ptr<RawStream>>> upgrade(std::string protocol, Headers headers) override;
  rt::Task<> client_gone() override;

  bool started() const { return started_; }
  bool complete() const { return complete_; }
  bool upgraded() const { return upgraded_; }
  // The answer went out whole and the next request may follow.
  bool reusable() const { return started_ && complete_ && keep_alive_; }
  void refuse_keep_alive() { keep_alive_ = false; }
  // The handler is done: whatever it left behind may not touch the connection any more.
  void end() { ended_ = true; }

 private:
  class Writer;
  enum class Framing { kNone, kLength, kChunked, kUntilClose };

  Result<void> begin();
  std::string head(int status, const Headers& headers, std::optional<std::size_t> length);
  rt::Task<Result<void>> switch_protocols(Headers headers);
  bool is_head() const { return parser_->request.method == "HEAD"; }

  std::shared_ptr<Connection> connection_;
  std::unique_ptr<RequestParser> parser_;
  Unanswered unanswered_;
  bool started_ = false, complete_ = false, keep_alive_ = true, upgraded_ = false, ended_ = false;
};

}  // namespace mk::net
