#include "mk/api/openapi.h"

#include <catch2/catch.hpp>

using namespace mk;
using namespace mk::api;

namespace {
Json json(std::string_view text) {
  auto parsed = parse_json(text);
  REQUIRE(parsed.ok());
  return std::move(parsed).value();
}

// Every "$ref" must lead to a definition.
void check_references(const Json& node, const JsonObject& definitions, std::string_view prefix) {
  if (const auto* elements = node.if_array()) {
    for (const auto& element : *elements) check_references(element, definitions, prefix);
  }
  if (const auto* fields = node.if_object()) {
    for (const auto& field : *fields) {
      if (field.key() == "$ref" && field.value().is_string()) {
        const std::string_view target(field.value().get_string());
        if (!target.starts_with(prefix) || !definitions.contains(target.substr(prefix.size())))
          FAIL_CHECK("dangling " << target);
      }
      check_references(field.value(), definitions, prefix);
    }
  }
}

// The lengths of a protobuf message's top-level fields add up; gives the length-delimited ones of `field`.
std::vector<std::string_view> fields_of(std::string_view message, std::uint64_t wanted) {
  std::vector<std::string_view> out;
  std::size_t at = 0;
  const auto varint = [&] {
    std::uint64_t value = 0;
    for (int shift = 0; at < message.size(); shift += 7) {
      const auto byte = static_cast<unsigned char>(message[at++]);
      value |= std::uint64_t(byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    return value;
  };
  while (at < message.size()) {
    const auto tag = varint();
    if ((tag & 7) == 0) {
      varint();
      continue;
    }
    REQUIRE((tag & 7) == 2);
    const auto size = varint();
    REQUIRE(at + size <= message.size());
    if (tag >> 3 == wanted) out.push_back(message.substr(at, size));
    at += size;
  }
  return out;
}
}  // namespace

TEST_CASE("openapi v2") {
  const auto document = json(openapi_v2());
  CHECK(str(document, "swagger") == "2.0");
  const auto& definitions = object(document, "definitions");
  check_references(document, definitions, "#/definitions/");
  const auto& deployment = definitions.at("io.k8s.api.apps.v1.Deployment");
  CHECK(str(list(deployment, "x-kubernetes-group-version-kind").at(0), "kind") == "Deployment");
  const auto& pod_spec = definitions.at("io.k8s.api.core.v1.PodSpec");
  CHECK(str(pod_spec, "properties.containers.x-kubernetes-patch-merge-key") == "name");
  CHECK(str(definitions.at("io.k8s.apimachinery.pkg.api.resource.Quantity"), "type") == "string");
  CHECK(find(deployment, "properties.spec.default") == nullptr);
  // Properties that are named like keywords are properties.
  CHECK(str(definitions.at("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"),
            "properties.$ref.type") == "string");
  const auto* patch = member(
      object(document, "paths").at("/apis/apps/v1/namespaces/{namespace}/deployments/{name}"), "patch");
  REQUIRE(patch != nullptr);
  CHECK(str(*patch, "x-kubernetes-action") == "patch");
  CHECK(!definitions.contains("io.k8s.api.resource.v1beta1.ResourceClaim"));
}

TEST_CASE("openapi v3: index and every document of it") {
  const auto index = json(openapi_v3_index());
  const auto& paths = object(index, "paths");
  CHECK(paths.contains("api/v1"));
  CHECK(paths.contains("apis/apps/v1"));
  for (const auto& path : paths) {
    INFO(path.key());
    CHECK(str(path.value(), "serverRelativeURL")
              .starts_with("/openapi/v3/" + std::string(path.key()) + "?hash="));
    const auto text = openapi_v3(path.key());
    REQUIRE(text);
    const auto document = json(*text);
    check_references(document, object(document, "components.schemas"), "#/components/schemas/");
  }
  CHECK(!openapi_v3("apis/nowhere/v1"));
  CHECK(!openapi_v3("apis/resource.k8s.io/v1beta1"));
}

TEST_CASE("openapi v3 tells clients what writes understand") {
  const auto document = json(*openapi_v3("apis/apps/v1"));
  const auto& item = object(document, "paths").at("/apis/apps/v1/namespaces/{namespace}/deployments/{name}");
  for (const char* method : {"put", "patch"}) {
    bool found = false;
    for (const auto& parameter : list(item, std::string(method) + ".parameters"))
      found = found || str(parameter, "name") == "fieldValidation";
    CHECK(found);
  }
  CHECK(str(item, "patch.x-kubernetes-group-version-kind.kind") == "Deployment");
  CHECK(object(item, "patch.requestBody.content").contains("application/apply-patch+yaml"));
  CHECK(object(document, "paths").contains("/apis/apps/v1/deployments"));
  CHECK(str(object(document, "paths").at("/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale"),
            "get.x-kubernetes-group-version-kind.group") == "autoscaling");
}

TEST_CASE("openapi with a CRD") {
  auto foos = std::make_shared<ResourceInfo>();
  foos->gvr = {"example.com", "v1", "foos"};
  foos->kind = "Foo";
  foos->namespaced = true;
  foos->verbs = {"get", "list", "create", "patch"};
  OpenApiExtra extra;
  extra.resources = {foos};
  extra.definitions["com.example.v1.Foo"] = json(
      R"({"type":"object","properties":{"spec":{"type":"object","properties":{"n":{"type":"integer","maximum":5},
        "any":{"type":"object","x-kubernetes-preserve-unknown-fields":true,"properties":{"a":{"type":"string"}}},
        "port":{"type":"integer","x-kubernetes-int-or-string":true,"anyOf":[{"type":"integer"},{"type":"string"}]}}},
    "metadata":{"$ref":"io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}},"x-kubernetes-group-version-kind":[{"group":"example.com","kind":"Foo","version":"v1"}]})");
  extra.versions["apis/example.com/v1"] = 1;
  const auto v2 = json(openapi_v2(extra));
  const auto& foo = object(v2, "definitions").at("com.example.v1.Foo");
  CHECK(to_json(*find(foo, "properties.spec.properties")) ==
        R"({"n":{"type":"integer","maximum":5},"any":{"x-kubernetes-preserve-unknown-fields":true},)"
        R"("port":{"x-kubernetes-int-or-string":true}})");
  const auto index = json(openapi_v3_index(extra));
  CHECK(object(index, "paths").contains("apis/example.com/v1"));
  const auto document = json(*openapi_v3("apis/example.com/v1", extra));
  const auto& schemas = object(document, "components.schemas");
  REQUIRE(schemas.contains("com.example.v1.Foo"));
  CHECK(str(schemas.at("com.example.v1.Foo"), "properties.spec.properties.any.properties.a.type") ==
        "string");
  CHECK(str(schemas.at("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"),
            "properties.creationTimestamp.description")
            .starts_with("CreationTimestamp is a timestamp"));
  CHECK(object(document, "paths").contains("/apis/example.com/v1/namespaces/{namespace}/foos"));
  const auto before = openapi_hash("", extra), builtin = openapi_hash("apis/apps/v1", extra);
  extra.versions["apis/example.com/v1"] = 2;
  CHECK(openapi_hash("", extra) != before);
  CHECK(openapi_hash("apis/apps/v1", extra) == builtin);
}

TEST_CASE("openapi v2 of a CRD that keeps everything says only that it is an object") {
  OpenApiExtra extra;
  extra.definitions["com.example.v1.Foo"] = json(
      R"({"type":"object","x-kubernetes-preserve-unknown-fields":true,"properties":{"a":{"type":"string"}},
    "x-kubernetes-group-version-kind":[{"group":"example.com","kind":"Foo","version":"v1"}]})");
  auto definition = object(json(openapi_v2(extra)), "definitions").at("com.example.v1.Foo");
  definition.as_object().erase("x-kubernetes-group-version-kind");
  CHECK(definition == json(R"({"type":"object"})"));
}

TEST_CASE("openapi v2 as protobuf") {
  const auto bytes = openapi_v2_protobuf();
  CHECK(fields_of(bytes, 1) == std::vector<std::string_view>{"2.0"});
  REQUIRE(fields_of(bytes, 9).size() == 1);
  const auto definitions = fields_of(fields_of(bytes, 9)[0], 1);
  CHECK(definitions.size() == object(json(openapi_v2()), "definitions").size());
  bool found = false;
  for (const auto definition : definitions)
    found = found || fields_of(definition, 1)[0] == "io.k8s.api.core.v1.Pod";
  CHECK(found);
  REQUIRE(fields_of(bytes, 8).size() == 1);
  CHECK(fields_of(fields_of(bytes, 8)[0], 2).size() == object(json(openapi_v2()), "paths").size());
}
