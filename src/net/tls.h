#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "mk/base/result.h"
#include "mk/net/server.h"

// TLS contexts and the socket end that OpenSSL reads and writes. Inside of net only.
namespace mk::net {

struct FreeSsl {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};
using Ssl = std::unique_ptr<SSL, FreeSsl>;
using TlsContext = std::shared_ptr<SSL_CTX>;

// Clients are asked for a certificate when there is a CA bundle, and any certificate passes the handshake:
// check_client() decides afterwards, so that a bad one is answered with 401 instead of a broken connection.
Result<TlsContext> make_server_context(const TlsIdentity& identity);

struct ClientTls {
  std::string ca_pem;  // "": the system's authorities
  bool insecure = false;
  pki::KeyPair certificate;  // empty: none
};
Result<TlsContext> make_client_context(const ClientTls& options);

bool negotiated_http2(SSL* ssl);  // by ALPN; false without TLS

// What the peer sent, leaf first, in PEM; "" when nothing.
std::string peer_certificates(SSL* ssl);

// What OpenSSL needs to know of a socket, and what it left behind when an operation failed.
struct SocketEnd {
  int fd = -1;
  bool at_end = false;
  int error = 0;  // errno
};
// A connection on `end`, which must outlive it. Never raises SIGPIPE.
Ssl make_ssl(const TlsContext& context, SocketEnd& end);
// The peer must prove to be `host` (a DNS name or an address).
void expect_server(SSL* ssl, const std::string& host);

std::string tls_error_text();  // of OpenSSL's queue, which is empty afterwards

}  // namespace mk::net
