#include "tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <cerrno>
#include <string_view>

namespace mk::net {
namespace {

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Bio = std::unique_ptr<BIO, Deleter<BIO_free_all>>;
using X509Ptr = std::unique_ptr<X509, Deleter<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;

constexpr std::string_view kHttp11("\x08http/1.1", 9);
constexpr std::string_view kHttp2OrHttp11("\x02h2\x08http/1.1", 12);

Bio memory_bio(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}
X509Ptr next_certificate(BIO* bio) {
  return X509Ptr(PEM_read_bio_X509(bio, nullptr, nullptr, nullptr));
}

int socket_read(BIO* bio, char* data, int size) {
  auto* end = static_cast<SocketEnd*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  const ssize_t got = ::recv(end->fd, data, static_cast<std::size_t>(size), 0);
  if (got == 0) end->at_end = true;
  if (got >= 0) return static_cast<int>(got);
  if (errno == EAGAIN || errno == EINTR) {
    BIO_set_retry_read(bio);
  } else {
    end->error = errno;
  }
  return -1;
}

int socket_write(BIO* bio, const char* data, int size) {
  auto* end = static_cast<SocketEnd*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  const ssize_t put = ::send(end->fd, data, static_cast<std::size_t>(size), MSG_NOSIGNAL);
  if (put >= 0) return static_cast<int>(put);
  if (errno == EAGAIN || errno == EINTR) {
    BIO_set_retry_write(bio);
  } else {
    end->error = errno;
  }
  return -1;
}

long socket_control(BIO*, int command, long, void*) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO_METHOD* socket_method() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "mk socket");
    BIO_meth_set_read(made, socket_read);
    BIO_meth_set_write(made, socket_write);
    BIO_meth_set_ctrl(made, socket_control);
    return made;
  }();
  return method;
}

int accept_any_certificate(X509_STORE_CTX* context, void*) {
  X509_STORE_CTX_set_error(context, X509_V_OK);
  return 1;
}

int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* offered,
                    unsigned offered_size, void*) {
  const auto* ours = reinterpret_cast<const unsigned char*>(kHttp2OrHttp11.data());
  const int found =
      SSL_select_next_proto(const_cast<unsigned char**>(out), out_size, ours,
                            static_cast<unsigned>(kHttp2OrHttp11.size()), offered, offered_size);
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

TlsContext make_context(const SSL_METHOD* method) {
  TlsContext context(SSL_CTX_new(method), SSL_CTX_free);
  MK_ASSERT(context);
  SSL_CTX* const raw = context.get();
  SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(raw, "ECDHE+AESGCM:ECDHE+CHACHA20");
  SSL_CTX_set_options(raw, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(
      raw, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(raw, 1);  // one recv() takes header and payload of a record
  return context;
}

Result<void> use_pair(SSL_CTX* context, const pki::KeyPair& pair) {
  const Bio chain = memory_bio(pair.certificate_pem);
  const X509Ptr leaf = next_certificate(chain.get());
  if (!leaf || SSL_CTX_use_certificate(context, leaf.get()) != 1)
    return Error(Reason::kInvalid,
                 "the TLS certificate is not a usable PEM certificate: " + tls_error_text());
  while (const X509Ptr next = next_certificate(chain.get())) SSL_CTX_add1_chain_cert(context, next.get());
  ERR_clear_error();
  const Bio text = memory_bio(pair.key_pem);
  const auto no_passphrase = [](char*, int, int, void*) { return -1; };
  const Key key(PEM_read_bio_PrivateKey(text.get(), nullptr, no_passphrase, nullptr));
  if (!key)
    return Error(Reason::kInvalid, "the TLS key is not an unencrypted PEM private key: " + tls_error_text());
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1)
    return Error(Reason::kInvalid, "the TLS certificate and key do not belong together: " + tls_error_text());
  return ok();
}

Result<void> trust(SSL_CTX* context, const std::string& ca_pem) {
  const Bio bundle = memory_bio(ca_pem);
  int count = 0;
  for (; const X509Ptr ca = next_certificate(bundle.get()); ++count)
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context), ca.get());
  ERR_clear_error();
  if (count == 0) return Error(Reason::kInvalid, "the CA bundle holds no PEM certificate");
  return ok();
}

}  // namespace

std::string tls_error_text() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason ? reason : "unknown error";
}

Result<TlsContext> make_server_context(const TlsIdentity& identity) {
  TlsContext context = make_context(TLS_server_method());
  MK_TRY(use_pair(context.get(), identity.certificate));
  SSL_CTX_set_alpn_select_cb(context.get(), choose_protocol, nullptr);
  SSL_CTX_set_num_tickets(context.get(), 1);
  constexpr unsigned char kSessions[] = "mk";
  SSL_CTX_set_session_id_context(context.get(), kSessions, sizeof kSessions - 1);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);  // tickets only: nothing kept here
  if (!identity.client_ca_pem.empty()) {
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_cert_verify_callback(context.get(), accept_any_certificate, nullptr);
  }
  return context;
}

Result<TlsContext> make_client_context(const ClientTls& options) {
  TlsContext context = make_context(TLS_client_method());
  if (!options.certificate.certificate_pem.empty()) MK_TRY(use_pair(context.get(), options.certificate));
  SSL_CTX_set_alpn_protos(context.get(), reinterpret_cast<const unsigned char*>(kHttp11.data()),
                          static_cast<unsigned>(kHttp11.size()));
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  if (options.insecure) return context;
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context.get()), X509_V_FLAG_PARTIAL_CHAIN);
  if (options.ca_pem.empty()) {
    SSL_CTX_set_default_verify_paths(context.get());
  } else {
    MK_TRY(trust(context.get(), options.ca_pem));
  }
  return context;
}

bool negotiated_http2(SSL* ssl) {
  if (ssl == nullptr) return false;
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl, &name, &size);
  return std::string_view(reinterpret_cast<const char*>(name), size) == "h2";
}

std::string peer_certificates(SSL* ssl) {
  const X509Ptr leaf(SSL_get1_peer_certificate(ssl));
  if (!leaf) return {};
  const Bio out(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(out.get(), leaf.get());
  // On the server's side the chain comes without the leaf.
  STACK_OF(X509)* chain = SSL_get_peer_cert_chain(ssl);
  for (int i = 0; chain != nullptr && i < sk_X509_num(chain); ++i)
    PEM_write_bio_X509(out.get(), sk_X509_value(chain, i));
  char* data = nullptr;
  const long size = BIO_get_mem_data(out.get(), &data);
  return std::string(data, static_cast<std::size_t>(size));
}

Ssl make_ssl(const TlsContext& context, SocketEnd& end) {
  Ssl ssl(SSL_new(context.get()));
  MK_ASSERT(ssl);
  BIO* bio = BIO_new(socket_method());
  BIO_set_data(bio, &end);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl.get(), bio, bio);
  return ssl;
}

void expect_server(SSL* ssl, const std::string& host) {
  unsigned char binary[16];
  X509_VERIFY_PARAM* const param = SSL_get0_param(ssl);
  if (::inet_pton(AF_INET, host.c_str(), binary) == 1 || ::inet_pton(AF_INET6, host.c_str(), binary) == 1) {
    X509_VERIFY_PARAM_set1_ip_asc(param, host.c_str());
    return;
  }
  X509_VERIFY_PARAM_set_hostflags(param,
                                  X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  X509_VERIFY_PARAM_set1_host(param, host.c_str(), host.size());
  SSL_set_tlsext_host_name(ssl, host.c_str());
}

}  // namespace mk::net
