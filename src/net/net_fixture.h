#pragma once

#include <memory>
#include <string>

#include "mk/net/client.h"
#include "mk/net/server.h"
#include "mk/pki/certificate.h"
#include "mk/rt/clock.h"
#include "mk/rt/loop.h"

// A server on loopback with a CA of its own, for tests.
namespace mk::net {

struct Fixture {
  Fixture() : clock(rt::make_real_clock()), ca(pki::make_ca("test", now() - 3600, now() + 86400)) {
    server_identity.certificate = issue("server", pki::Usage::kServer, now() + 3600);
    server_identity.client_ca_pem = ca.certificate_pem;
  }

  std::int64_t now() const {
    return std::chrono::duration_cast<std::chrono::seconds>(clock->now().time_since_epoch()).count();
  }

  pki::KeyPair issue(const std::string& name, pki::Usage usage, std::int64_t until) const {
    return issue_by(ca, name, usage, until);
  }

  pki::KeyPair issue_by(const pki::KeyPair& by, const std::string& name, pki::Usage usage,
                        std::int64_t until) const {
    pki::CertificateRequest request;
    request.common_name = name;
    request.organizations = {"group-a"};
    request.dns_names = {"localhost"};
    request.ip_addresses = {"127.0.0.1", "::1"};
    request.usage = usage;
    request.not_before = now() - 1800;
    request.not_after = until;
    return pki::issue(by, request).value();
  }

  void listen(Handler handler, bool tls = true) {
    std::optional<TlsIdentity> identity;
    if (tls) identity = server_identity;
    server = listen_http(loop, *clock, "127.0.0.1", 0, identity, limits, std::move(handler)).value();
    scheme = tls ? "https" : "http";
  }

  ClientOptions options() const {
    ClientOptions out;
    out.base_url = scheme + "://127.0.0.1:" + std::to_string(server->port());
    out.ca_pem = ca.certificate_pem;
    return out;
  }

  std::unique_ptr<HttpClient> client() { return client(options()); }
  std::unique_ptr<HttpClient> client(ClientOptions with) {
    return make_http_client(loop, *clock, std::move(with)).value();
  }

  // Runs a test's body, then stops the server.
  void run(rt::Task<> body) { rt::run_until_done(loop, run_and_stop(std::move(body))); }

  rt::Task<> run_and_stop(rt::Task<> body) {
    co_await std::move(body);
    co_await server->stop();
  }

  rt::Loop loop;
  std::unique_ptr<rt::Clock> clock;
  pki::KeyPair ca;
  TlsIdentity server_identity;
  ServerLimits limits;
  std::unique_ptr<HttpServer> server;
  std::string scheme;
};

}  // namespace mk::net
