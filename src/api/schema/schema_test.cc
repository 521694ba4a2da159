#include "mk/api/schema.h"

#include <catch2/catch.hpp>

#include "mk/api/resource.h"

using namespace mk;
using namespace mk::api;

namespace {
Json json(std::string_view text) {
  auto parsed = parse_json(text);
  REQUIRE(parsed.ok());
  return std::move(parsed).value();
}
const Type& kind(std::string_view api_version, std::string_view name) {
  const auto* type = builtin_schema().type(parse_gvk(api_version, name));
  REQUIRE(type != nullptr);
  return *type;
}
std::string decode_error(std::string_view api_version, std::string_view name, std::string_view text) {
  auto value = json(text);
  FieldProblems unknown;
  const auto result = decode(kind(api_version, name), value, unknown);
  return result.ok() ? "" : result.error().message();
}
}  // namespace

TEST_CASE("the schema knows the kinds a stock cluster serves") {
  for (const auto& resource : builtin_resources()) {
    INFO(resource.gvk().api_version() << " " << resource.kind);
    if (resource.has_verb("list")) CHECK(builtin_schema().type(resource.gvk()) != nullptr);
  }
  CHECK(builtin_schema().type("io.k8s.api.core.v1.PodSpec") != nullptr);
  CHECK(builtin_schema().type("io.k8s.api.resource.v1beta1.ResourceClaim") == nullptr);
  const auto* ports = kind("v1", "Service").field("spec")->type->field("ports");
  REQUIRE(ports != nullptr);
  CHECK(ports->patch_merge);
  CHECK(ports->patch_merge_key == "port");
  CHECK(ports->type->list_type == Type::ListType::kMap);
  CHECK(ports->type->list_map_keys == std::vector<std::string>{"port", "protocol"});
}

TEST_CASE("discovery") {
  const auto* deployments = find_builtin(resources::kDeployments);
  REQUIRE(deployments != nullptr);
  CHECK(deployments->short_names == std::vector<std::string>{"deploy"});
  REQUIRE(deployments->subresource("scale") != nullptr);
  CHECK(deployments->subresource("scale")->kind == Gvk{"autoscaling", "v1", "Scale"});
  CHECK(deployments->subresource("status")->kind == Gvk{"apps", "v1", "Deployment"});
  const auto* pods = find_builtin(resources::kPods);
  REQUIRE(pods->subresource("eviction") != nullptr);
  CHECK(pods->subresource("eviction")->kind == Gvk{"policy", "v1", "Eviction"});
  CHECK(pods->subresource("exec")->kind == Gvk{"", "v1", "PodExecOptions"});
  CHECK(find_builtin(resources::kServiceAccounts)->subresource("token")->kind ==
        Gvk{"authentication.k8s.io", "v1", "TokenRequest"});
  CHECK(find_builtin(Gvk{"apps", "v1", "Deployment"}) == deployments);
  CHECK(find_builtin(Gvr{"resource.k8s.io", "v1beta1", "resourceclaims"}) == nullptr);
  CHECK(!find_builtin(resources::kNodes)->namespaced);
}

TEST_CASE("decoding a deployment: unknown fields, nulls, numbers, quantities, times") {
  auto value =
      json(R"({"apiVersion":"apps/v1","kind":"Deployment","foo":1,"metadata":{"name":"d","labels":{"a":null},
    "creationTimestamp":null,"managedFields":[{"manager":"m","fieldsV1":{"f:x":{},"any":null},"time":"2026-01-02T05:04:05.123+02:00"}]},
    "spec":{"replicas":3.0,"bar":{},"strategy":null,"template":{"spec":{"containers":[{"name":"c","x":1,"y":2,
      "ports":[{"containerPort":80,"z":1}],"resources":{"limits":{"cpu":0.5,"memory":"1024Mi"}},"livenessProbe":{"httpGet":{"port":"http"}}}]}}}})");
  FieldProblems unknown;
  const auto result = decode(kind("apps/v1", "Deployment"), value, unknown);
  INFO((result.ok() ? "" : result.error().message()));
  REQUIRE(result.ok());
  CHECK(unknown == FieldProblems{"unknown field \"foo\"", "unknown field \"spec.bar\"",
                                 "unknown field \"spec.template.spec.containers[0].x\"",
                                 "unknown field \"spec.template.spec.containers[0].y\"",
                                 "unknown field \"spec.template.spec.containers[0].ports[0].z\""});
  CHECK(
      to_json(value) ==
      R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"d","labels":{"a":""},)"
      R"("managedFields":[{"manager":"m","fieldsV1":{"f:x":{},"any":null},"time":"2026-01-02T03:04:05Z"}]},)"
      R"("spec":{"replicas":3,"template":{"spec":{"containers":[{"name":"c","ports":[{"containerPort":80}],)"
      R"("resources":{"limits":{"cpu":"500m","memory":"1Gi"}},"livenessProbe":{"httpGet":{"port":"http"}}}]}}}})");
}

TEST_CASE("decoding errors speak as Kubernetes does") {
  CHECK(decode_error("apps/v1", "Deployment", R"({"spec":{"replicas":"x"}})") ==
        "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32");
  CHECK(decode_error("apps/v1", "Deployment", R"({"spec":{"replicas":9999999999}})") ==
        "json: cannot unmarshal number 9999999999 into Go struct field DeploymentSpec.spec.replicas of type "
        "int32");
  CHECK(decode_error("v1", "Pod", R"({"spec":{"containers":[{"env":[{"name":"a","value":1}]}]}})") ==
        "json: cannot unmarshal number into Go struct field EnvVar.spec.containers.env.value of type string");
  CHECK(decode_error("v1", "Pod", R"({"spec":{"containers":{}}})") ==
        "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container");
  CHECK(decode_error("v1", "ConfigMap", R"({"data":{"a":true}})") ==
        "json: cannot unmarshal bool into Go struct field ConfigMap.data.a of type string");
  CHECK(decode_error("v1", "Pod", "[]") == "json: cannot unmarshal array into Go value of type v1.Pod");
  CHECK(decode_error("v1", "Secret", R"({"data":{"a":"%%%"}})").find("illegal base64") == 0);
  CHECK(decode_error("v1", "Pod", R"({"metadata":{"creationTimestamp":"yesterday"}})")
            .find("parsing time \"yesterday\"") == 0);
  CHECK(decode_error("v1", "Pod", R"({"spec":{"containers":[{"resources":{"limits":{"cpu":"lots"}}}]}})")
            .find("quantities must match") == 0);
  CHECK(decode_error("v1", "Service", R"({"spec":{"ports":[{"targetPort":1.5}]}})").find("number 1.5") !=
        std::string::npos);
  CHECK(decode_error("v1", "Service", R"({"spec":{"ports":[{"targetPort":"web"}]}})").empty());
}

TEST_CASE("recursive types decode: a CRD") {
  auto value =
      json(R"({"spec":{"versions":[{"name":"v1","schema":{"openAPIV3Schema":{"type":"object","properties":{
     "spec":{"type":"object","x-kubernetes-preserve-unknown-fields":true,"default":{"a":[1,null]},"properties":{"$ref":{"type":"string"}}}}}}}]}})");
  const auto before = value;
  FieldProblems unknown;
  REQUIRE(decode(kind("apiextensions.k8s.io/v1", "CustomResourceDefinition"), value, unknown).ok());
  CHECK(unknown.empty());
  CHECK(value == before);
}

TEST_CASE("duplicate keys are found wherever they are") {
  CHECK(find_duplicate_keys(
            R"({"a":1,"spec":{"replicas":1,"replicas":2,"l":[{"x":"}\"","x":2}]},"\u0061":3})") ==
        FieldProblems{"duplicate field \"spec.replicas\"", "duplicate field \"spec.l[0].x\"",
                      "duplicate field \"a\""});
  CHECK(find_duplicate_keys("{").empty());
  CHECK(find_duplicate_keys("").empty());
}

TEST_CASE("defaults of the schema") {
  auto service = json(R"({"spec":{"ports":[{"port":80}]}})");
  apply_defaults(kind("v1", "Service"), service);
  CHECK(to_json(service) ==
        R"({"spec":{"ports":[{"port":80,"protocol":"TCP"}]},"status":{"loadBalancer":{}}})");
  auto set = json(R"({"metadata":{"name":"x"}})");
  apply_defaults(kind("apps/v1", "ReplicaSet"), set);
  CHECK(num(set, "status.replicas", -1) == 0);
  auto deployment = json(R"({"metadata":{"name":"x"}})");
  apply_defaults(kind("apps/v1", "Deployment"), deployment);
  CHECK(find(deployment, "status") == nullptr);
}

TEST_CASE("a CRD's own types") {
  const auto schema = make_schema(json(R"({"Foo":{"type":"object","properties":{
     "metadata":{"$ref":"io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"},
     "spec":{"type":"object","properties":{"n":{"type":"integer","nullable":true},"p":{"x-kubernetes-int-or-string":true},
       "any":{"type":"object","x-kubernetes-preserve-unknown-fields":true},"pod":{"type":"object","x-kubernetes-embedded-resource":true}}}}}})"),
                                  &builtin_schema());
  const auto* type = schema->type("Foo");
  REQUIRE(type != nullptr);
  auto value = json(
      R"({"metadata":{"name":"a","x":1},"spec":{"n":null,"p":"5%","any":{"z":{"y":null}},"pod":{"kind":"Pod","q":1},"w":1}})");
  FieldProblems unknown;
  REQUIRE(decode(*type, value, unknown).ok());
  CHECK(
      to_json(value) ==
      R"({"metadata":{"name":"a"},"spec":{"n":null,"p":"5%","any":{"z":{"y":null}},"pod":{"kind":"Pod"}}})");
  CHECK(unknown.size() == 3);
}

TEST_CASE("problems are told in the order of the text") {
  const std::string_view text = R"({"spec":{"foo":1,"replicas":2,"replicas":3,"bar":1},"x":1})";
  const auto repeated = find_duplicate_keys(text);
  CHECK(in_document_order(
            text, {"unknown field \"x\"", "unknown field \"spec.foo\"", "unknown field \"spec.bar\""},
            repeated) == FieldProblems{"unknown field \"spec.foo\"", "duplicate field \"spec.replicas\"",
                                       "unknown field \"spec.bar\"", "unknown field \"x\""});
  CHECK(in_document_order("", {"unknown field \"a\""}, {"line 2: key \"b\" already set in map"}) ==
        FieldProblems{"line 2: key \"b\" already set in map", "unknown field \"a\""});
}

TEST_CASE("keys that YAML has twice are told with their line") {
  FieldProblems repeated;
  const auto parsed = parse_yaml("\na: 1\nspec:\n  foo: 1\n  foo: 2\n  l: [{x: 1, x: 2}]\n", repeated);
  REQUIRE(parsed.ok());
  CHECK(num(*parsed, "spec.foo") == 2);
  CHECK(repeated ==
        FieldProblems{"line 5: key \"foo\" already set in map", "line 6: key \"x\" already set in map"});
}
