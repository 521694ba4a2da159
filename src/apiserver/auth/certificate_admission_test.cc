#include "auth/certificate_admission.h"

#include <catch2/catch.hpp>

#include "auth/rbac_authorizer.h"
#include "auth/test_cluster.h"
#include "mk/base/strings.h"
#include "mk/pki/certificate.h"

using namespace mk;
using namespace mk::apiserver;
using namespace mk::apiserver::testing;
using api::Json;

namespace {

const api::Gvr kRequests{"certificates.k8s.io", "v1", "certificatesigningrequests"};

Json request(const std::string& signer, const std::vector<std::string>& groups, const char* status = "{}") {
  pki::CertificateRequest wanted;
  wanted.common_name = "me";
  wanted.organizations = groups;
  const auto pem = pki::make_csr(pki::make_private_key(), wanted).value();
  return yaml("{metadata: {name: r}, spec: {signerName: " + signer + ", request: " + base64_encode(pem) +
              "}, status: " + status + "}");
}

WriteContext call(const char* who, const char* operation, const char* subresource) {
  WriteContext context;
  context.resource = api::find_builtin(kRequests);
  context.user = user(who);
  context.operation = operation;
  context.subresource = subresource;
  context.name = "r";
  return context;
}

}  // namespace

TEST_CASE("who may decide about certificates, and sign them") {
  PolicyCluster cluster;
  cluster.put(R"(
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: decider}
rules:
- {apiGroups: [certificates.k8s.io], resources: [signers], resourceNames: [example.com/*], verbs: [approve]}
- {apiGroups: [certificates.k8s.io], resources: [signers], resourceNames: [example.com/a], verbs: [sign]}
)");
  cluster.put(R"(
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: decider}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: decider}
subjects: [{kind: User, name: ann}]
)");
  const auto authorizer = make_authorizer(cluster.cacher);
  const auto plugin = make_certificate_admission(*authorizer);
  const Json old = request("example.com/a", {}), other = request("example.com/b", {}),
             foreign = request("example.org/a", {});
  Json approved = old, signed_one = old;
  api::set(approved, "status.conditions", yaml("[{type: Approved}]"));
  api::set(signed_one, "status.certificate", "Zm9v");

  CHECK(plugin->validate(call("ann", "UPDATE", "approval"), &approved, &old).ok());
  CHECK(plugin->validate(call("ann", "UPDATE", "approval"), &other, &other).ok());
  auto refused = plugin->validate(call("ann", "UPDATE", "approval"), &foreign, &foreign);
  REQUIRE(!refused.ok());
  CHECK(refused.error().is(Reason::kForbidden));
  CHECK(refused.error().message() ==
        "certificatesigningrequests.certificates.k8s.io \"r\" is forbidden: user not permitted to approve "
        "requests with signerName \"example.org/a\"");
  CHECK(plugin->validate(call("ann", "UPDATE", "status"), &signed_one, &old).ok());
  CHECK_FALSE(plugin->validate(call("bob", "UPDATE", "status"), &signed_one, &old).ok());
  CHECK_FALSE(plugin->validate(call("ann", "UPDATE", "status"), &signed_one, &other).ok());
  CHECK(plugin->validate(call("bob", "UPDATE", "status"), &old, &old).ok());
}

TEST_CASE("nobody asks for a client certificate of system:masters") {
  PolicyCluster cluster;
  const auto authorizer = make_authorizer(cluster.cacher);
  const auto plugin = make_certificate_admission(*authorizer);
  const auto create = [&](const Json& csr) {
    return plugin->validate(call("ann", "CREATE", ""), &csr, nullptr);
  };
  CHECK(create(request("kubernetes.io/kube-apiserver-client", {"users"})).ok());
  CHECK(create(request("example.com/a", {"system:masters"})).ok());
  auto refused = create(request("kubernetes.io/kube-apiserver-client", {"system:masters"}));
  REQUIRE(!refused.ok());
  CHECK(refused.error().message() ==
        "certificatesigningrequests.certificates.k8s.io \"r\" is forbidden: use of "
        "kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed");
}
