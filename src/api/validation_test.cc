#include "mk/api/validation.h"

#include <catch2/catch.hpp>

using namespace mk;
using namespace mk::api;

TEST_CASE("an invalid object's message") {
  const Gvk deployment{"apps", "v1", "Deployment"};
  const auto one =
      invalid_object(deployment, "x", {invalid("spec.replicas", "-1", "must be greater than or equal to 0")});
  CHECK(one.message() ==
        "Deployment.apps \"x\" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal "
        "to 0");
  CHECK(one.is(Reason::kInvalid));
  const auto two = invalid_object(
      Gvk{"", "v1", "Pod"}, "p",
      {required("spec.containers"), not_supported("spec.restartPolicy", "\"x\"", {"Never", "Always"})});
  CHECK(two.message() ==
        "Pod \"p\" is invalid: [spec.containers: Required value, spec.restartPolicy: Unsupported value: "
        "\"x\": supported values: \"Always\", \"Never\"]");
  CHECK(two.causes.size() == 2);
  CHECK(two.causes[0].type == "FieldValueRequired");
  CHECK(immutable("spec.x", "1").message == "Invalid value: 1: field is immutable");
}

TEST_CASE("names") {
  const std::string l63(63, 'a');
  for (const auto* right : {"a", "a-b", "0", "my-name", l63.c_str()})
    CHECK(check_dns1123_label(right).empty());
  for (const auto* wrong : {"", "-a", "a-", "A", "a.b", "a_b"}) CHECK(!check_dns1123_label(wrong).empty());
  CHECK(check_dns1123_label(l63 + "a") == "must be no more than 63 characters");
  CHECK(check_dns1123_label("A").find("a lowercase RFC 1123 label must consist of") == 0);
  for (const auto* right : {"a.b", "example.com", "1.2"}) CHECK(check_dns1123_subdomain(right).empty());
  for (const auto* wrong : {"", "a..b", ".a", "a.", "a_b.c"}) CHECK(!check_dns1123_subdomain(wrong).empty());
  CHECK(check_dns1035_label("a1").empty());
  CHECK(!check_dns1035_label("1a").empty());
  for (const auto* right : {"a", "A.b_c-d", "example.com/Name", "0"})
    CHECK(check_qualified_name(right).empty());
  for (const auto* wrong : {"", "/a", "a/", "a/b/c", "-a", "A_B/c", "a b"})
    CHECK(!check_qualified_name(wrong).empty());
  for (const auto* right : {"", "a", "A_b.c"}) CHECK(check_label_value(right).empty());
  for (const auto* wrong : {"-", "a/b", "a "}) CHECK(!check_label_value(wrong).empty());
  for (const auto* right : {"10.0.0.1", "::1", "2001:db8::ffff"}) CHECK(check_ip(right).empty());
  for (const auto* wrong : {"", "10.0.0", "010.0.0.1", "1.2.3.4/8", "x"}) CHECK(!check_ip(wrong).empty());
}

TEST_CASE("metadata") {
  const auto causes_of = [](const Gvr& gvr, const char* text) {
    std::vector<Cause> causes;
    validate_metadata(*find_builtin(gvr), parse_yaml(text).value(), causes);
    std::string out;
    for (const auto& cause : causes) out += cause.field + ";";
    return out;
  };
  CHECK(causes_of(resources::kPods, "metadata: {name: a.b, namespace: n}").empty());
  CHECK(causes_of(resources::kPods, "metadata: {name: A, namespace: n}") == "metadata.name;");
  CHECK(causes_of(resources::kPods, "{}") == "metadata.name;metadata.namespace;");
  CHECK(causes_of(resources::kNodes, "metadata: {name: a, namespace: n}") == "metadata.namespace;");
  CHECK(causes_of(resources::kServices, "metadata: {name: 1a, namespace: n}") == "metadata.name;");
  CHECK(causes_of(resources::kNamespaces, "metadata: {name: a.b}") == "metadata.name;");
  CHECK(causes_of(resources::kClusterRoles, "metadata: {name: 'system:a'}").empty());
  CHECK(causes_of(resources::kClusterRoles, "metadata: {name: 'a/b'}") == "metadata.name;");
  CHECK(causes_of(resources::kNodes,
                  "metadata: {name: a, labels: {'a b': '-'}, annotations: {'X/y': '1', '': z}, finalizers: "
                  "[orphan, foregroundDeletion]}") ==
        "metadata.labels;metadata.labels;metadata.annotations;metadata.finalizers;");
  CHECK(causes_of(resources::kNodes,
                  "metadata: {name: a, ownerReferences: [{apiVersion: v1, kind: Pod, name: p, uid: u, "
                  "controller: true}, {apiVersion: v1, kind: Pod, name: q, uid: '', controller: true}]}") ==
        "metadata.ownerReferences[1].uid;metadata.ownerReferences;");
}
