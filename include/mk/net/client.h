#pragma once

#include <memory>
#include <string>
#include <vector>

#include "mk/net/http.h"
#include "mk/net/server.h"
#include "mk/net/websocket.h"
#include "mk/rt/clock.h"

namespace mk::net {

struct Url {
  std::string scheme, host, path;  // path with query, "/" at least
  int port = 0;
};
Result<Url> parse_url(std::string_view text);  // http, https; IPv6 in brackets

// A streaming response body.
class BodyReader {
 public:
  virtual ~BodyReader() = default;           // closes the connection unless the body was read to its end
  virtual const Response& head() const = 0;  // status and headers; body empty
  virtual rt::Task<Result<std::string>> read_some() = 0;  // "" at the end
};

struct ClientOptions {
  std::string base_url;             // "https://10.0.0.1:6443"
  std::string ca_pem;               // trusted alone; "" with insecure
  bool insecure = false;            // no verification: only to fetch /cacerts or probe a pod
  pki::KeyPair client_certificate;  // empty: none
  std::string token;                // bearer
  std::string server_name;          // TLS name to expect, if not the host of base_url
  rt::Duration connect_timeout = std::chrono::seconds(10);
  rt::Duration request_timeout = std::chrono::seconds(60);  // whole answers only, not streams
  std::size_t body_max = 1u << 30;
};

// A connection that has changed its protocol: the 101 answer and what runs after it.
struct Upgraded {
  Response head;
  std::unique_ptr<RawStream> stream;
};

// Talks HTTP/1.1 to one server with a pool of kept-alive connections; requests may overlap. Redirects are not
// followed. Errors: kServiceUnavailable (cannot connect, reset), kTimeout, kUnauthorized (TLS refused).
class HttpClient {
 public:
  virtual ~HttpClient() = default;
  // An idempotent request on a kept connection that turns out dead is sent again once on a new one.
  virtual rt::Task<Result<Response>> request(Request request) = 0;
  virtual rt::Task<Result<std::unique_ptr<BodyReader>>> stream(Request request) = 0;
  virtual rt::Task<Result<std::unique_ptr<WebSocket>>> websocket(Request request,
                                                                 std::vector<std::string> subprotocols) = 0;
  // An HTTP upgrade to another protocol (SPDY, or a WebSocket tunnelled through). An answer other than 101 is
  // the Error it describes.
  virtual rt::Task<Result<Upgraded>> upgrade(Request request) = 0;
  // For rotated certificates and tokens; kept connections are dropped when idle.
  virtual void set_credentials(pki::KeyPair client_certificate, std::string token) = 0;
};

Result<std::unique_ptr<HttpClient>> make_http_client(rt::Loop& loop, rt::Clock& clock, ClientOptions options);

// A plain TCP connection, for probes and port forwarding.
rt::Task<Result<std::unique_ptr<RawStream>>> connect_tcp(rt::Clock& clock, std::string host, int port,
                                                         rt::Duration timeout);

}  // namespace mk::net
