#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mk/base/bytes.h"
#include "mk/net/http.h"
#include "mk/net/websocket.h"
#include "mk/pki/certificate.h"
#include "mk/rt/clock.h"
#include "mk/rt/loop.h"

namespace mk::net {

// A response whose body is sent as it comes (chunks, frames): watches, logs, large lists.
class BodyWriter {
 public:
  virtual ~BodyWriter() =
      default;  // without finish(): the connection is cut, so that nobody takes it for whole
  // Sends several buffers in one go, without copying them. An error means that the client has gone.
  virtual rt::Task<Result<void>> write(std::vector<SharedBytes> chunks) = 0;
  virtual rt::Task<Result<void>> finish() = 0;
};

// Both directions of a connection after "101 Switching Protocols", or a raw tunnel.
class RawStream {
 public:
  virtual ~RawStream() = default;
  virtual rt::Task<Result<std::string>> read_some(std::size_t count_max) = 0;  // "" at the end
  virtual rt::Task<Result<void>> write_all(std::string data) = 0;
  // Ends our direction: the peer reads the end of the stream, and we may read on.
  virtual void close_write() {}
  virtual void close() = 0;
};

// One request being answered. Exactly one of respond(), start(), accept_websocket() or upgrade() is called.
class Exchange {
 public:
  virtual ~Exchange() = default;
  virtual const Request& request() const = 0;
  virtual std::string remote_address() const = 0;  // "10.0.0.7"
  // The client's certificate if it sent one that its CA bundle vouches for.
  virtual const std::optional<pki::CertificateInfo>& client_certificate() const = 0;
  // Why a certificate that was sent does not count ("certificate has expired at ..."); "" when it does or
  // none was.
  virtual std::string client_certificate_error() const { return {}; }

  virtual rt::Task<Result<void>> respond(Response response) = 0;
  // A whole body of shared buffers, sent without copying.
  virtual rt::Task<Result<void>> respond(int status, Headers headers, std::vector<SharedBytes> body) = 0;
  virtual rt::Task<Result<std::unique_ptr<BodyWriter>>> start(int status, Headers headers) = 0;
  virtual bool wants_websocket() const = 0;
  // Chooses the first of the client's subprotocols that is in `subprotocols` (none: "").
  virtual rt::Task<Result<std::unique_ptr<WebSocket>>> accept_websocket(
      std::vector<std::string> subprotocols) = 0;
  virtual rt::Task<Result<std::unique_ptr<RawStream>>> upgrade(std::string protocol, Headers headers) = 0;
  // Ends when the client closes its side while the answer is still being made or streamed.
  virtual rt::Task<> client_gone() = 0;
};

// Answers requests; runs once for each, on the server's loop. Exceptions other than cancellation become a 500
// and a log line. The exchange is shared so that it outlives whatever the handler spawns.
using Handler = std::function<rt::Task<>(std::shared_ptr<Exchange>)>;

struct TlsIdentity {
  pki::KeyPair certificate;
  std::string client_ca_pem;  // clients may (not must) present a certificate of these CAs
};

struct ServerLimits {
  std::size_t body_max = 3 << 20;  // then 413 with a Status body, and the connection is closed
  std::size_t header_max =
      1 << 20;                    // of one request, names and values; then 431 (Go's and Kubernetes' default)
  std::size_t streams_max = 250;  // requests at once on a connection of HTTP/2 (Kubernetes' default)
  rt::Duration header_timeout = std::chrono::seconds(32);  // TLS handshake and header, so slow clients go
  rt::Duration idle_timeout = std::chrono::minutes(3);     // between requests of a kept-alive connection
  rt::Duration stall_timeout = std::chrono::minutes(10);   // a client that takes nothing of its answer
  std::size_t connections_max = 12000;
};

// HTTP/2 (RFC 9113) where a TLS client offers it by ALPN, else HTTP/1.1 with keep-alive. Plain (for loopback
// health ports when no identity is given) is HTTP/1.1. Handlers see no difference, but upgrades and
// WebSockets come over HTTP/1.1 alone.
class HttpServer {
 public:
  virtual ~HttpServer() = default;
  // The port in use (asked for 0: the one the kernel chose).
  virtual int port() const = 0;
  // New connections from now on see the new certificate and CA bundle.
  virtual Result<void> set_identity(TlsIdentity identity) = 0;
  // Stops listening, says GOAWAY to clients of HTTP/2, cancels what runs, closes connections.
  virtual rt::Task<> stop() = 0;
};

// kConflict when the port is taken: the message says so and names the flag to change.
Result<std::unique_ptr<HttpServer>> listen_http(rt::Loop& loop, rt::Clock& clock, const std::string& address,
                                                int port, std::optional<TlsIdentity> identity,
                                                ServerLimits limits, Handler handler);

}  // namespace mk::net
