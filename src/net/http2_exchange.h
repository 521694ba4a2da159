#pragma once

#include "connection.h"
#include "http2_connection.h"

namespace mk::net {

// The Exchange of one stream of HTTP/2. What asks for the connection itself (upgrades) is answered with 400:
// clients do that over HTTP/1.1.
class Http2Exchange : public Exchange, public std::enable_shared_from_this<Http2Exchange> {
 public:
  Http2Exchange(std::shared_ptr<Connection> connection, std::shared_ptr<Http2Stream> stream);

  const Request& request() const override { return stream_->request; }
  std::string remote_address() const override { return connection_->stream().remote_address(); }
  const std::optional<pki::CertificateInfo>& client_certificate() const override {
    return connection_->client_certificate();
  }
  std::string client_certificate_error() const override { return connection_->client_certificate_error(); }

  rt::Task<Result<void>> respond(Response response) override;
  rt::Task<Result<void>> respond(int status, Headers headers, std::vector<SharedBytes> body) override;
  rt::Task<Result<std::unique_ptr<BodyWriter>>> start(int status, Headers headers) override;
  bool wants_websocket() const override { return false; }
  rt::Task<Result<std::unique_ptr<WebSocket>>> accept_websocket(
      std::vector<std::string> subprotocols) override;
  rt::Task<Result<std::unique_ptr<RawStream>>> upgrade(std::string protocol, Headers headers) override;
  rt::Task<> client_gone() override;

  bool started() const { return started_; }
  // The handler is done: whatever it left behind may not touch the stream any more, and an answer that is not
  // whole is cut visibly.
  void end();

 private:
  class Writer;

  Result<void> begin();
  Http2Session& session() { return connection_->http2()->session(); }
  void put_head(int status, Headers headers, bool has_body);
  bool bodiless(int status) const;
  rt::Task<Result<void>> wait_for_room(std::size_t queued_max);
  rt::Task<Error> refuse_upgrade();

  std::shared_ptr<Connection> connection_;
  std::shared_ptr<Http2Stream> stream_;
  Unanswered unanswered_;
  bool started_ = false, complete_ = false, ended_ = false;
};

}  // namespace mk::net
