#include "certificates/signers.h"
#include "kit/test_world.h"
#include "mk/base/strings.h"

using namespace mk;
using namespace mk::controller;
using namespace mk::controller::testing;
using namespace std::chrono_literals;

namespace {

const api::Gvr kRequests{"certificates.k8s.io", "v1", "certificatesigningrequests"};

pki::CertificateRequest node_request() {
  pki::CertificateRequest request;
  request.common_name = "system:node:one";
  request.organizations = {"system:nodes"};
  return request;
}

api::Json csr(const pki::CertificateRequest& request, std::string_view signer, const std::string& usages,
              const std::string& more = "") {
  const auto pem = pki::make_csr(pki::make_private_key(), request).value();
  return api::parse_yaml(
             "{apiVersion: certificates.k8s.io/v1, kind: CertificateSigningRequest, metadata: "
             "{name: r, uid: r}, spec: {username: 'system:node:one', groups: [g], signerName: " +
             std::string(signer) + ", usages: " + usages + ", request: " + base64_encode(pem) + more + "}}")
      .value();
}

api::Json approved(api::Json request) {
  api::set(request, "status.conditions", api::parse_yaml("[{type: Approved, status: 'True'}]").value());
  return request;
}

// The World's manager has no CA of its own.
struct SigningWorld : World {
  SigningWorld() : World(options()) {}
  static const pki::KeyPair& ca() {
    static const auto made = pki::make_ca("ca", 0, 4'000'000'000);
    return made;
  }
  static controller::ManagerOptions options() {
    controller::ManagerOptions out;
    out.ca = ca();
    return out;
  }
  api::Object put_request(api::Json request) {
    server.put(kRequests, std::move(request));
    settle();
    return server.find(kRequests, api::Key("", "r"));
  }
};

std::string refusal(const pki::CertificateRequest& request, std::string_view signer,
                    const std::string& usages) {
  return certificates::why_not_sign(csr(request, signer, usages), request).value_or("not ours");
}

}  // namespace

TEST_CASE("what each signer signs") {
  using namespace certificates;
  auto request = node_request();
  CHECK(refusal(request, kKubeletClient, "[digital signature, client auth]").empty());
  CHECK(refusal(request, kKubeletClient, "[digital signature, server auth]") ==
        "usages did not match [digital signature, key encipherment, client auth]");
  CHECK(refusal(request, kKubeletServing, "[digital signature, server auth]") ==
        "DNS or IP subjectAltName is required");
  request.ip_addresses = {"10.0.0.1"};
  CHECK(refusal(request, kKubeletServing, "[digital signature, key encipherment, server auth]").empty());
  CHECK(refusal(request, kKubeletClient, "[client auth]") == "DNS and IP subjectAltNames are not allowed");
  request.organizations = {"me"};
  CHECK(refusal(request, kKubeletServing, "[server auth]") == "subject organization is not system:nodes");
  CHECK(refusal(request, kApiClient, "[client auth]").empty());
  CHECK(refusal(request, kApiClient, "[client auth, code signing]") ==
        "invalid usages for client certificate");
  CHECK(refusal(request, "example.com/x", "[client auth]") == "not ours");
}

TEST_CASE("a kubelet's request is approved if it may, and signed") {
  SigningWorld world;
  std::string asked;
  world.server.may = [&asked](const api::Json& review) {
    asked = std::string(api::str(review, "spec.resourceAttributes.subresource"));
    return asked == "selfnodeclient" && api::str(review, "spec.user") == "system:node:one";
  };
  const auto done = world.put_request(csr(node_request(), certificates::kKubeletClient,
                                          "[digital signature, client auth]", ", expirationSeconds: 3600"));
  CHECK(condition(done, "Approved") == "AutoApproved");
  const auto pem = base64_decode(api::str(done.json(), "status.certificate")).value_or("");
  const auto info = pki::parse_certificate(pem);
  REQUIRE(info.ok());
  CHECK(info->common_name == "system:node:one");
  CHECK(info->client_auth);
  CHECK_FALSE(info->server_auth);
  CHECK(info->not_after - info->not_before == 3600 + 300);
  CHECK(pki::verify_certificate(pem, world.ca().certificate_pem, info->not_before + 1).ok());
}

TEST_CASE("a request stays open without permission, and fails when its signer will not have it") {
  SigningWorld world;
  const auto open = world.put_request(
      csr(node_request(), certificates::kKubeletClient, "[digital signature, client auth]"));
  CHECK(condition(open, "Approved") == "absent");
  const auto failed = world.put_request(
      approved(csr(node_request(), certificates::kKubeletServing, "[digital signature, server auth]")));
  CHECK(condition(failed, "Failed") == "SignerValidationFailure");
  CHECK(api::str(failed.json(), "status.certificate").empty());
  const auto foreign = world.put_request(approved(csr(node_request(), "example.com/x", "[client auth]")));
  CHECK(condition(foreign, "Failed") == "absent");
  CHECK(api::str(foreign.json(), "status.certificate").empty());
}

TEST_CASE("requests that are done, or forgotten, go") {
  const auto at = [](const char* text) { return *rt::parse_time(text); };
  const auto until = [](const std::string& text) {
    return certificates::useless_from(api::parse_yaml(text).value());
  };
  CHECK(until("{metadata: {creationTimestamp: '2026-01-01T00:00:00Z'}}") == at("2026-01-02T00:00:00Z"));
  CHECK(until("{metadata: {creationTimestamp: '2026-01-01T00:00:00Z'}, status: {conditions: [{type: Denied, "
              "lastUpdateTime: '2026-01-01T02:00:00Z'}]}}") == at("2026-01-01T03:00:00Z"));
  SigningWorld world;
  world.put_request(csr(node_request(), "example.com/x", "[client auth]"));
  world.server.put(kRequests, world.server.find(kRequests, api::Key("", "r"))
                                  .with([&world](api::Json& json) {
                                    api::set(json, "metadata.creationTimestamp",
                                             api::text(rt::format_time(world.clock.now() - 24h + 10s)));
                                  })
                                  .json());
  world.settle(5s);
  CHECK(world.server.find(kRequests, api::Key("", "r")));
  world.settle(10s);
  CHECK_FALSE(world.server.find(kRequests, api::Key("", "r")));
}
