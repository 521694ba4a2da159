#include <catch2/catch.hpp>

#include <stdlib.h>
#include <unistd.h>

#include "mk/base/files.h"
#include "mk/base/strings.h"
#include "mk/pki/certificate.h"
#include "mk/pki/jwt.h"
#include "mk/pki/kubeconfig.h"
#include "mk/pki/token.h"

using namespace mk;

namespace {

constexpr std::int64_t kNow = 1'767'000'000;
constexpr std::int64_t kDay = 86400;

pki::KeyPair test_ca() {
  return pki::make_ca("test-ca", kNow - kDay, kNow + 3650 * kDay);
}

pki::CertificateRequest request_for(const std::string& name, pki::Usage usage) {
  pki::CertificateRequest request;
  request.common_name = name;
  request.usage = usage;
  request.not_before = kNow - 60;
  request.not_after = kNow + kDay;
  return request;
}

}  // namespace

TEST_CASE("an issued certificate carries what was asked for and verifies") {
  const auto ca = test_ca();
  auto request = request_for("system:node:one", pki::Usage::kBoth);
  request.organizations = {"system:nodes", "system:others"};
  request.dns_names = {"localhost", "node.example"};
  request.ip_addresses = {"127.0.0.1", "fd00::1"};
  const auto pair = pki::issue(ca, request);
  REQUIRE(pair.ok());
  CHECK(pki::key_matches(*pair));
  const auto info = pki::parse_certificate(pair->certificate_pem);
  REQUIRE(info.ok());
  CHECK(info->common_name == request.common_name);
  CHECK(info->organizations == request.organizations);
  CHECK(info->dns_names == request.dns_names);
  CHECK(info->ip_addresses == request.ip_addresses);
  CHECK((info->client_auth && info->server_auth && !info->is_ca));
  CHECK(info->not_after == request.not_after);
  CHECK(info->sha256.size() == 64);
  CHECK(pki::verify_certificate(pair->certificate_pem, ca.certificate_pem, kNow).ok());
  CHECK(pki::parse_certificate(ca.certificate_pem)->is_ca);
}

TEST_CASE("verification says what is wrong") {
  const auto ca = test_ca();
  const auto pair = pki::issue(ca, request_for("user", pki::Usage::kClient)).value();
  const auto late = pki::verify_certificate(pair.certificate_pem, ca.certificate_pem, kNow + 2 * kDay);
  REQUIRE(!late.ok());
  CHECK(late.error().message() == "certificate has expired at 2025-12-30T09:20:00Z");
  const auto early = pki::verify_certificate(pair.certificate_pem, ca.certificate_pem, kNow - 3600);
  CHECK(early.error().message().find("not valid before") != std::string::npos);
  const auto foreign = pki::verify_certificate(pair.certificate_pem, test_ca().certificate_pem, kNow);
  CHECK(foreign.error().message() == "certificate signed by an unknown authority");
  const auto both = test_ca().certificate_pem + ca.certificate_pem;
  CHECK(pki::verify_certificate(pair.certificate_pem, both, kNow).ok());
  CHECK(!pki::verify_certificate("nonsense", ca.certificate_pem, kNow).ok());
}

TEST_CASE("certificates beyond 2050 and long names work") {
  auto request = request_for(std::string(200, 'n'), pki::Usage::kClient);
  request.not_after = kNow + 100LL * 365 * kDay;
  const auto pair = pki::issue(test_ca(), request);
  REQUIRE(pair.ok());
  const auto info = pki::parse_certificate(pair->certificate_pem);
  CHECK(info->not_after == request.not_after);
  CHECK(info->common_name == request.common_name);
}

TEST_CASE("a request is read back and signed with the names the signer chose") {
  const auto key = pki::make_private_key();
  auto wanted = request_for("system:node:two", pki::Usage::kClient);
  wanted.organizations = {"system:masters"};
  wanted.dns_names = {"evil.example"};
  const auto csr = pki::make_csr(key, wanted).value();
  const auto parsed = pki::parse_csr(csr);
  REQUIRE(parsed.ok());
  CHECK(parsed->organizations == wanted.organizations);
  CHECK(parsed->dns_names == wanted.dns_names);
  CHECK(parsed->usage == pki::Usage::kClient);
  const auto ca = test_ca();
  const auto signed_pem = pki::sign_csr(ca, csr, request_for("system:node:two", pki::Usage::kClient));
  REQUIRE(signed_pem.ok());
  const auto info = pki::parse_certificate(*signed_pem).value();
  CHECK(info.organizations.empty());
  CHECK(info.dns_names.empty());
  CHECK(pki::key_matches({*signed_pem, key}));
}

TEST_CASE("a broken request is refused") {
  auto csr = pki::make_csr(pki::make_private_key(), request_for("x", pki::Usage::kClient)).value();
  auto der = base64_decode(replace_all(csr.substr(36, csr.size() - 36 - 34), "\n", ""));
  REQUIRE(der);
  der->back() ^= 1;
  const auto broken =
      "-----BEGIN CERTIFICATE REQUEST-----\n" + base64_encode(*der) + "\n-----END CERTIFICATE REQUEST-----\n";
  CHECK(!pki::parse_csr(broken).ok());
  CHECK(!pki::parse_csr("hello").ok());
  CHECK(!pki::sign_csr({"", ""}, csr, request_for("x", pki::Usage::kClient)).ok());
  auto bad_ip = request_for("x", pki::Usage::kServer);
  bad_ip.ip_addresses = {"1.2.3"};
  CHECK(!pki::issue(test_ca(), bad_ip).ok());
}

TEST_CASE("tokens verify with the right key only") {
  const auto key = pki::make_private_key(), other = pki::make_private_key();
  CHECK((pki::is_signing_key(key) && !pki::is_signing_key(pki::public_key_pem(key)) &&
         !pki::is_signing_key("x")));
  const auto token = pki::sign_jwt(key, R"({"sub":"system:serviceaccount:a:b"})");
  const auto claims = pki::verify_jwt({other, pki::public_key_pem(key)}, token);
  REQUIRE(claims.ok());
  CHECK(*claims == R"({"sub":"system:serviceaccount:a:b"})");
  CHECK(pki::verify_jwt({other}, token).error().is(Reason::kUnauthorized));
  auto tampered = token;
  tampered[token.find('.') + 5] ^= 1;
  CHECK(!pki::verify_jwt({key}, tampered).ok());
  const auto none = base64url_encode(R"({"alg":"none"})") + token.substr(token.find('.'));
  CHECK(!pki::verify_jwt({key}, none).ok());
  CHECK(!pki::verify_jwt({key}, "a.b").ok());
  CHECK(!pki::verify_jwt({key}, "").ok());
  CHECK(pki::jwks_json({key}).find(R"("crv":"P-256")") != std::string::npos);
}

TEST_CASE("join tokens in all forms") {
  const std::string hash(64, 'a');
  const auto full = pki::parse_join_token("K10" + hash + "::server:secret\n");
  REQUIRE(full.ok());
  CHECK((full->ca_hash == hash && full->user == "server" && full->password == "secret"));
  CHECK(full->str() == "K10" + hash + "::server:secret");
  const auto bootstrap = pki::parse_join_token("K10" + hash + "::abcdef.0123456789abcdef");
  REQUIRE(bootstrap.ok());
  CHECK(bootstrap->user.empty());
  CHECK(bootstrap->str() == "K10" + hash + "::abcdef.0123456789abcdef");
  CHECK(pki::parse_join_token("secret")->password == "secret");
  for (const char* bad : {"", "K10abc::server:x", "K10", "K10::a:b"}) CHECK(!pki::parse_join_token(bad).ok());
  CHECK(pki::ca_hash("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_CASE("a kubeconfig round trips and awkward values are quoted") {
  pki::Kubeconfig config;
  config.name = "default";
  config.server = "https://127.0.0.1:6443";
  config.ca_pem = "CA\n";
  config.client_certificate_pem = "CERT\n";
  config.client_key_pem = "KEY\n";
  config.token = "12345 \"x\": #y\\";
  config.ns = "true";
  const auto text = pki::write_kubeconfig(config);
  const auto back = pki::parse_kubeconfig(text);
  REQUIRE(back.ok());
  CHECK(back->server == config.server);
  CHECK(back->ca_pem == config.ca_pem);
  CHECK(back->client_key_pem == config.client_key_pem);
  CHECK(back->token == config.token);
  CHECK(back->ns == "true");
  CHECK(!pki::parse_kubeconfig(text, "other").ok());
}

TEST_CASE("a kubeconfig made by others reads its files") {
  char path[] = "/tmp/mk-pki-XXXXXX";
  const std::string dir = ::mkdtemp(path);
  REQUIRE(write_file(dir + "/ca.crt", "CA").ok());
  REQUIRE(write_file(dir + "/token", "secret\n").ok());
  const std::string text = R"(
apiVersion: v1
kind: Config
current-context: a
contexts: [{name: a, context: {cluster: c, user: u, namespace: ns}}]
clusters: [{name: c, cluster: {server: "https://h:1", certificate-authority: ca.crt, tls-server-name: t}}]
users: [{name: u, user: {tokenFile: token}}]
)";
  const auto config = pki::parse_kubeconfig(text, {}, dir);
  REQUIRE(config.ok());
  CHECK((config->ca_pem == "CA" && config->token == "secret" && config->tls_server_name == "t"));
  const auto absent = pki::parse_kubeconfig(text, {}, dir + "/nowhere");
  CHECK(absent.error().message().find("certificate-authority") != std::string::npos);
  REQUIRE(remove_tree(dir).ok());
  CHECK(!pki::parse_kubeconfig("[1, 2").ok());
  CHECK(!pki::parse_kubeconfig("a: b").ok());
  CHECK(!pki::parse_kubeconfig("").ok());
}
