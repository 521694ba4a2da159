#include <catch2/catch.hpp>

#include "auth/authenticator_options.h"
#include "auth/impersonation.h"
#include "auth/rbac_authorizer.h"
#include "auth/reviews.h"
#include "auth/test_cluster.h"
#include "auth/token_issuer.h"
#include "mk/base/strings.h"
#include "mk/pki/certificate.h"
#include "mk/pki/jwt.h"

using namespace mk;
using namespace mk::apiserver;
using namespace mk::apiserver::testing;

namespace {

constexpr const char* kAccount =
    "{apiVersion: v1, kind: ServiceAccount, metadata: {name: sa, namespace: ns, uid: sa-uid}}";
constexpr const char* kPod =
    "{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: ns, uid: pod-uid}, spec: {nodeName: n1, "
    "serviceAccountName: sa}}";
constexpr const char* kNode = "{apiVersion: v1, kind: Node, metadata: {name: n1, uid: node-uid}}";

struct Tokens : PolicyCluster {
  Tokens() : key(pki::make_private_key()) {
    put(kAccount);
    put(kPod);
    put(kNode);
    AuthenticatorOptions options(cacher, clock);
    options.key_pems = {key};
    options.issuer = "https://issuer";
    options.audiences = {"https://issuer", "mk"};
    options.tokens["secret-token"] = user("admin", {"system:masters"});
    authenticator = make_authenticator(options);
    TokenIssuerOptions issue(cacher, clock);
    issue.key_pem = key;
    issue.issuer = options.issuer;
    issue.audiences = options.audiences;
    issuer = std::make_unique<TokenIssuer>(issue);
  }

  std::string token(const char* spec) {
    auto answer = issuer->issue("ns", "sa", yaml(std::string("{spec: ") + spec + "}"));
    REQUIRE(answer.ok());
    return std::string(api::str(*answer, "status.token"));
  }
  Result<UserInfo> bearer(const std::string& text) {
    Credentials credentials;
    credentials.authorization = "Bearer " + text;
    return authenticator->authenticate(credentials);
  }

  std::string key;
  std::unique_ptr<Authenticator> authenticator;
  std::unique_ptr<TokenIssuer> issuer;
};

constexpr const char* kBoundToPod = "{boundObjectRef: {apiVersion: v1, kind: Pod, name: p, uid: pod-uid}}";

std::string bootstrap_secret(const std::string& extra) {
  return "{apiVersion: v1, kind: Secret, metadata: {name: bootstrap-token-abcdef, namespace: kube-system}, "
         "type: bootstrap.kubernetes.io/token, data: {token-id: " +
         base64_encode("abcdef") + ", token-secret: " + base64_encode("0123456789abcdef") + extra + "}}";
}

}  // namespace

TEST_CASE("certificates, static tokens and nobody") {
  Tokens t;
  Credentials credentials;
  auto nobody = t.authenticator->authenticate(credentials);
  REQUIRE(nobody.ok());
  CHECK(nobody->name == "system:anonymous");
  CHECK(nobody->groups == std::vector<std::string>{"system:unauthenticated"});

  pki::CertificateInfo certificate;
  certificate.common_name = "system:node:n1";
  certificate.organizations = {"system:nodes"};
  certificate.sha256 = "ab12";
  credentials.certificate = certificate;
  auto by_certificate = t.authenticator->authenticate(credentials);
  REQUIRE(by_certificate.ok());
  CHECK(by_certificate->groups == std::vector<std::string>{"system:nodes", "system:authenticated"});
  CHECK(by_certificate->extra["authentication.kubernetes.io/credential-id"] ==
        std::vector<std::string>{"X509SHA256=ab12"});

  Credentials expired;
  expired.certificate_error = "certificate has expired";
  CHECK(t.authenticator->authenticate(expired).error().is(Reason::kUnauthorized));
  CHECK(t.bearer("secret-token")->name == "admin");
  CHECK(t.bearer("secret-tokem").error().is(Reason::kUnauthorized));
}

TEST_CASE("a service account's token") {
  Tokens t;
  const std::string token = t.token(kBoundToPod);
  auto who = t.bearer(token);
  REQUIRE(who.ok());
  CHECK(who->name == "system:serviceaccount:ns:sa");
  CHECK(who->uid == "sa-uid");
  CHECK(who->groups == std::vector<std::string>{"system:serviceaccounts", "system:serviceaccounts:ns",
                                                "system:authenticated"});
  CHECK(who->extra["authentication.kubernetes.io/pod-name"] == std::vector<std::string>{"p"});
  CHECK(who->extra["authentication.kubernetes.io/pod-uid"] == std::vector<std::string>{"pod-uid"});
  CHECK(who->extra["authentication.kubernetes.io/node-name"] == std::vector<std::string>{"n1"});
  CHECK(who->extra["authentication.kubernetes.io/node-uid"] == std::vector<std::string>{"node-uid"});
  CHECK(who->extra["authentication.kubernetes.io/credential-id"][0].substr(0, 4) == "JTI=");

  SECTION("expires") {
    t.clock.advance(std::chrono::seconds(3599));
    CHECK(t.bearer(token).ok());
    t.clock.advance(std::chrono::seconds(1));
    CHECK_FALSE(t.bearer(token).ok());
  }
  SECTION("ends with its pod, remembered or not") {
    t.remove(yaml(kPod));
    CHECK_FALSE(t.bearer(token).ok());
  }
  SECTION("ends with another pod of the same name") {
    t.put(
        "{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: ns, uid: other}, spec: "
        "{serviceAccountName: sa}}");
    CHECK_FALSE(t.bearer(token).ok());
  }
  SECTION("ends with its account") {
    t.remove(yaml(kAccount));
    CHECK_FALSE(t.bearer(token).ok());
  }
  SECTION("outlives the start of its pod's deletion by a minute") {
    const std::string now = rt::format_time(t.clock.now());
    t.put(
        "{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: ns, uid: pod-uid, deletionTimestamp: '" +
        now + "'}, spec: {serviceAccountName: sa}}");
    CHECK(t.bearer(token).ok());
    t.clock.advance(std::chrono::seconds(62));
    CHECK_FALSE(t.bearer(token).ok());
  }
  SECTION("another key's signature") {
    const auto dot = token.rfind('.');
    const auto payload = base64url_decode(split(token, '.')[1]);
    CHECK_FALSE(t.bearer(pki::sign_jwt(pki::make_private_key(), *payload)).ok());
    CHECK_FALSE(t.bearer(token.substr(0, dot + 1)).ok());
    CHECK_FALSE(t.bearer(token.substr(0, dot) + "x" + token.substr(dot)).ok());
  }
}

TEST_CASE("audiences") {
  Tokens t;
  const std::string token = t.token("{audiences: [vault, mk]}");
  std::vector<std::string> accepted;
  CHECK(t.authenticator->authenticate_token(token, {"vault", "other"}, accepted).ok());
  CHECK(accepted == std::vector<std::string>{"vault"});
  CHECK(t.authenticator->authenticate_token(token, {}, accepted).ok());
  CHECK(accepted == std::vector<std::string>{"mk"});
  CHECK_FALSE(t.authenticator->authenticate_token(token, {"other"}, accepted).ok());
  CHECK_FALSE(t.bearer(t.token("{audiences: [vault]}")).ok());

  auto review = review_token(*t.authenticator, yaml("{spec: {token: '" + token + "', audiences: [vault]}}"));
  REQUIRE(review.ok());
  CHECK(api::flag(*review, "status.authenticated"));
  CHECK(api::str(*review, "status.user.username") == "system:serviceaccount:ns:sa");
  CHECK(api::list(*review, "status.audiences").size() == 1);
  auto wrong = review_token(*t.authenticator, yaml("{spec: {token: nonsense}}"));
  CHECK_FALSE(api::flag(*wrong, "status.authenticated"));
  CHECK_FALSE(api::str(*wrong, "status.error").empty());
  CHECK(review_token(*t.authenticator, yaml("{spec: {}}")).error().is(Reason::kBadRequest));
}

TEST_CASE("TokenRequest") {
  Tokens t;
  struct Row {
    const char* spec;
    Reason reason;
  };
  const Row rows[] = {
      {"{expirationSeconds: 599}", Reason::kInvalid},
      {"{expirationSeconds: 4294967297}", Reason::kInvalid},
      {"{boundObjectRef: {apiVersion: v1, kind: Pod, name: q}}", Reason::kNotFound},
      {"{boundObjectRef: {apiVersion: v1, kind: Pod, name: p, uid: other}}", Reason::kConflict},
      {"{boundObjectRef: {apiVersion: v1, kind: ConfigMap, name: p}}", Reason::kBadRequest},
  };
  for (const auto& row : rows) {
    INFO(row.spec);
    auto answer = t.issuer->issue("ns", "sa", yaml(std::string("{spec: ") + row.spec + "}"));
    REQUIRE_FALSE(answer.ok());
    CHECK(answer.error().reason() == row.reason);
  }
  CHECK(t.issuer->issue("ns", "nobody", yaml("{spec: {}}")).error().is(Reason::kNotFound));
  t.put("{apiVersion: v1, kind: ServiceAccount, metadata: {name: other, namespace: ns, uid: o}}");
  CHECK(t.issuer->issue("ns", "other", yaml(std::string("{spec: ") + kBoundToPod + "}"))
            .error()
            .is(Reason::kBadRequest));

  auto plain = t.issuer->issue("ns", "sa", yaml("{spec: {}}"));
  CHECK(api::num(*plain, "spec.expirationSeconds") == 3600);
  CHECK(api::list(*plain, "spec.audiences").size() == 2);
  auto pods = t.issuer->issue(
      "ns", "sa",
      yaml("{spec: {expirationSeconds: 3607, boundObjectRef: {apiVersion: v1, kind: Pod, name: p}}}"));
  REQUIRE(pods.ok());
  const std::string expires(api::str(*pods, "status.expirationTimestamp"));
  CHECK(expires == rt::format_time(t.clock.now() + std::chrono::seconds(3607)));
  t.clock.advance(std::chrono::hours(24));
  CHECK(t.bearer(std::string(api::str(*pods, "status.token")))
            .ok());  // lives on for clients that never read it again
}

TEST_CASE("bootstrap tokens") {
  Tokens t;
  const std::string token = "abcdef.0123456789abcdef";
  const std::string may = ", usage-bootstrap-authentication: " + base64_encode("true");
  CHECK_FALSE(t.bearer(token).ok());
  t.put(bootstrap_secret(may + ", auth-extra-groups: " + base64_encode("system:bootstrappers:a")));
  auto who = t.bearer(token);
  REQUIRE(who.ok());
  CHECK(who->name == "system:bootstrap:abcdef");
  CHECK(who->groups ==
        std::vector<std::string>{"system:bootstrappers", "system:bootstrappers:a", "system:authenticated"});
  CHECK_FALSE(t.bearer("abcdef.0123456789abcdee").ok());
  t.put(bootstrap_secret(""));
  CHECK_FALSE(t.bearer(token).ok());
  t.put(bootstrap_secret(may + ", auth-extra-groups: " + base64_encode("system:masters")));
  CHECK_FALSE(t.bearer(token).ok());
  t.put(bootstrap_secret(
      may + ", expiration: " + base64_encode(rt::format_time(t.clock.now() + std::chrono::seconds(10)))));
  CHECK(t.bearer(token).ok());
  t.clock.advance(std::chrono::seconds(11));
  CHECK_FALSE(t.bearer(token).ok());
}

TEST_CASE("impersonation") {
  PolicyCluster cluster;
  auto authorizer = make_authorizer(cluster.cacher);
  const UserInfo root = user("root", {"system:masters"}), ann = user("ann");
  net::Headers none, headers, group_only, account;
  CHECK_FALSE(impersonate(ann, none, *authorizer)->has_value());
  headers.set("Impersonate-User", "bob");
  headers.add("impersonate-group", "dev");
  headers.add("Impersonate-Extra-acme.com%2Fscope", "a");
  headers.add("Impersonate-Uid", "7");
  auto bob = impersonate(root, headers, *authorizer);
  REQUIRE(bob.ok());
  CHECK((*bob)->name == "bob");
  CHECK((*bob)->uid == "7");
  CHECK((*bob)->groups == std::vector<std::string>{"dev", "system:authenticated"});
  CHECK((*bob)->extra["acme.com/scope"] == std::vector<std::string>{"a"});
  auto refused = impersonate(ann, headers, *authorizer);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().message() ==
        "users \"bob\" is forbidden: User \"ann\" cannot impersonate resource \"users\" in API group \"\" at "
        "the cluster scope");
  group_only.set("Impersonate-Group", "dev");
  CHECK(impersonate(root, group_only, *authorizer).error().is(Reason::kBadRequest));
  account.set("Impersonate-User", "system:serviceaccount:ns:sa");
  CHECK((*impersonate(root, account, *authorizer))->in_group("system:serviceaccounts:ns"));
  cluster.put(R"(
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: as-bob}
rules: [{apiGroups: [""], resources: [users], resourceNames: [bob], verbs: [impersonate]}]
)");
  cluster.put(R"(
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: as-bob}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: as-bob}
subjects: [{kind: User, name: ann}]
)");
  net::Headers just_bob;
  just_bob.set("Impersonate-User", "bob");
  CHECK(impersonate(ann, just_bob, *authorizer).ok());
  CHECK_FALSE(impersonate(ann, headers, *authorizer).ok());  // not the group
}
