#include <catch2/catch.hpp>

#include "http/test_server.h"
#include "mk/base/strings.h"

using namespace mk;
using namespace mk::apiserver;
using namespace mk::apiserver::testing;
using api::Json;

namespace {

constexpr const char* kDefinitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
constexpr const char* kFoos = "/apis/example.com/v1/namespaces/default/foos";

const std::string kFooDefinition = R"(
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: foos.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: foos, kind: Foo, shortNames: [f]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources:
      status: {}
      scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas, labelSelectorPath: .status.selector}
    selectableFields: [{jsonPath: .spec.color}]
    additionalPrinterColumns:
    - {name: Color, type: string, jsonPath: .spec.color}
    - {name: Replicas, type: integer, jsonPath: .spec.replicas, priority: 1}
    schema: &schema
      openAPIV3Schema:
        type: object
        description: A Foo for tests
        properties:
          spec:
            type: object
            properties:
              color: {type: string, default: red}
              replicas: {type: integer, minimum: 0}
              parts:
                type: array
                x-kubernetes-list-type: map
                x-kubernetes-list-map-keys: [name]
                items: {type: object, required: [name], properties: {name: {type: string}, size: {type: integer}}}
          status: {type: object, properties: {replicas: {type: integer}, selector: {type: string}}}
  - name: v2
    served: true
    storage: false
    schema: *schema
)";

class Extended : public TestServer {
 public:
  // Other tasks of the server run while a request does, so asking again is all the waiting there is.
  template <class F>
  Answer until(const std::string& target, F&& right) {
    for (int i = 0; i < 2000; ++i) {
      auto answer = get(target);
      if (right(answer)) return answer;
    }
    FAIL("never became right: " << target << " " << get(target).text);
    return {};
  }
  Answer served(const std::string& target) {
    return until(target, [](const Answer& answer) { return answer.status == 200; });
  }
  Answer not_served(const std::string& target) {
    return until(target, [](const Answer& answer) { return answer.status == 404; });
  }
  void define(const std::string& manifest, const std::string& target) {
    const auto made = post(kDefinitions, manifest);
    INFO(made.text);
    REQUIRE(made.status == 201);
    served(target);
  }
  Answer patch(const std::string& target, const std::string& type, const std::string& body) {
    return send(admin(), request("PATCH", target, body, "application/" + type));
  }
  Answer remove(const std::string& target) { return send(admin(), request("DELETE", target)); }
};

std::string foo(const std::string& name, const std::string& spec = "{}") {
  return "{apiVersion: example.com/v1, kind: Foo, metadata: {name: " + name + "}, spec: " + spec + "}";
}

}  // namespace

TEST_CASE("a definition is established, discovered and served") {
  Extended server;
  CHECK(server.get(kFoos).status == 404);
  const auto discover = [&] {
    return server.get("/apis", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
  };
  const auto before = discover();
  CHECK(before.text.find("\"foos\"") == std::string::npos);
  server.define(kFooDefinition, kFoos);
  const auto definition = server.get(std::string(kDefinitions) + "/foos.example.com").json();
  CHECK(api::str(definition, "status.acceptedNames.listKind") == "FooList");
  CHECK(api::str(definition, "spec.names.singular") == "foo");
  CHECK(api::list(definition, "status.conditions").size() == 2);
  CHECK(api::list(definition, "status.storedVersions") == api::JsonArray{"v1"});

  const auto resources = server.get("/apis/example.com/v1").json();
  CHECK(api::list(resources, "resources").size() == 3);
  // The first eight bytes of the SHA-256 of "example.com/v1/Foo".
  CHECK(api::str(api::list(resources, "resources").at(0), "storageVersionHash") == "4XyhoHMtUhg=");
  CHECK(api::str(server.get("/apis/example.com").json(), "preferredVersion.version") == "v2");
  const auto aggregated = discover();
  CHECK(aggregated.text.find("\"foos\"") != std::string::npos);
  CHECK(aggregated.headers.get("ETag") != before.headers.get("ETag"));
  CHECK(discover().headers.get("ETag") == aggregated.headers.get("ETag"));
  CHECK(api::str(server.get(kFoos).json(), "kind") == "FooList");
}

TEST_CASE("custom resources: defaults, pruning, strict validation, values") {
  Extended server;
  server.define(kFooDefinition, kFoos);
  const std::string foos = kFoos;
  const auto made = server.post(foos, foo("a", "{size: 1, replicas: 2}"));
  REQUIRE(made.status == 201);
  CHECK(made.headers.get("Warning").find("unknown field \\\"spec.size\\\"") != std::string_view::npos);
  CHECK(*api::find(made.json(), "spec") == api::parse_yaml("{replicas: 2, color: red}").value());
  CHECK(api::num(made.json(), "metadata.generation") == 1);

  const auto strict = server.post(foos + "?fieldValidation=Strict", foo("b", "{size: 1}"));
  CHECK(strict.status == 400);
  CHECK(strict.message() ==
        "Foo in version \"v1\" cannot be handled as a Foo: strict decoding error: "
        "unknown field \"spec.size\"");
  const auto twice =
      server.post(foos + "?fieldValidation=Strict",
                  "apiVersion: example.com/v1\nkind: Foo\nmetadata: {name: b}\nspec:\n  color: "
                  "a\n  color: b\n");
  CHECK(
      twice.message().ends_with("strict decoding error: yaml: unmarshal errors:\n  line 6: key \"color\" "
                                "already set in map"));
  const auto wrong = server.post(foos, foo("b", "{replicas: -1, color: 5}"));
  CHECK(wrong.status == 422);
  CHECK(wrong.reason() == "Invalid");
  CHECK(
      wrong.message() ==
      "Foo.example.com \"b\" is invalid: [spec.replicas: Invalid value: -1: spec.replicas in body should be "
      "greater than or equal to 0, spec.color: Invalid value: \"integer\": spec.color in body must be of "
      "type string: \"integer\"]");
  CHECK(server.get(foos + "/b").status == 404);
}

TEST_CASE("patches and apply on custom resources") {
  Extended server;
  server.define(kFooDefinition, kFoos);
  const std::string a = std::string(kFoos) + "/a";
  const std::string apply = a + "?fieldManager=me";
  const auto applied = server.patch(apply, "apply-patch+yaml", foo("a", "{parts: [{name: x, size: 1}]}"));
  REQUIRE(applied.status == 201);
  CHECK(applied.text.find(R"(k:{\"name\":\"x\"})") != std::string::npos);
  const auto other =
      server.patch(a + "?fieldManager=you", "apply-patch+yaml", foo("a", "{parts: [{name: y, size: 2}]}"));
  REQUIRE(other.status == 200);
  CHECK(api::list(other.json(), "spec.parts").size() == 2);
  CHECK(server.patch(a + "?fieldManager=you", "apply-patch+yaml", foo("a", "{parts: [{name: x, size: 2}]}"))
            .reason() == "Conflict");
  CHECK(server.patch(apply, "apply-patch+yaml", foo("a", "{nope: 1}"))
            .message()
            .ends_with(".spec.nope: field not declared in schema"));
  CHECK(server.patch(a, "strategic-merge-patch+json", R"({"spec":{"color":"blue"}})").status == 415);
  CHECK(api::str(server.patch(a, "merge-patch+json", R"({"spec":{"color":"blue"}})").json(), "spec.color") ==
        "blue");
  const auto tested = server.patch(
      a, "json-patch+json",
      R"([{"op":"test","path":"/spec/color","value":"blue"},{"op":"remove","path":"/spec/color"}])");
  CHECK(api::str(tested.json(), "spec.color") == "red");
}

TEST_CASE("status and scale of custom resources") {
  Extended server;
  server.define(kFooDefinition, kFoos);
  const std::string a = std::string(kFoos) + "/a";
  REQUIRE(server.post(kFoos, foo("a", "{replicas: 1}")).status == 201);
  const auto status = server.patch(
      a + "/status", "merge-patch+json",
      R"({"spec":{"replicas":9},"metadata":{"labels":{"x":"y"}},"status":{"replicas":3,"selector":"a=b"}})");
  REQUIRE(status.status == 200);
  CHECK(api::num(status.json(), "spec.replicas") == 1);
  CHECK(api::num(status.json(), "metadata.generation") == 1);
  CHECK(api::find(status.json(), "metadata.labels") == nullptr);
  const auto main = server.patch(a, "merge-patch+json", R"({"spec":{"replicas":2},"status":{"replicas":8}})");
  CHECK(api::num(main.json(), "status.replicas") == 3);
  CHECK(api::num(main.json(), "metadata.generation") == 2);

  const auto scale = server.get(a + "/scale").json();
  CHECK(api::num(scale, "spec.replicas") == 2);
  CHECK(api::str(scale, "status.selector") == "a=b");
  CHECK(server.patch(a + "/scale", "merge-patch+json", R"({"spec":{"replicas":5}})").status == 200);
  CHECK(api::num(server.get(a).json(), "spec.replicas") == 5);
  CHECK(server.get("/apis/example.com/v2/namespaces/default/foos/a/status").status == 404);
}

TEST_CASE("versions show the same object, columns and fields are their own") {
  Extended server;
  server.define(kFooDefinition, kFoos);
  const std::string v2 = "/apis/example.com/v2/namespaces/default/foos";
  REQUIRE(server.post(kFoos, foo("a", "{color: blue, replicas: 4}")).status == 201);
  CHECK(api::str(server.get(v2 + "/a").json(), "apiVersion") == "example.com/v2");
  const Json listed = server.get(v2).json();
  CHECK(api::str(api::list(listed, "items").at(0), "apiVersion") == "example.com/v2");
  const std::string table = "application/json;as=Table;v=v1;g=meta.k8s.io";
  const auto v1_table = server.get(kFoos, table).json();
  CHECK(api::list(v1_table, "columnDefinitions").size() == 3);
  CHECK(*api::find(api::list(v1_table, "rows")[0], "cells") == Json({"a", "blue", 4}));
  CHECK(api::list(server.get(v2, table).json(), "columnDefinitions").size() == 2);
  CHECK(
      api::list(server.get(std::string(kFoos) + "?fieldSelector=spec.color%3Dblue").json(), "items").size() ==
      1);
  CHECK(
      api::list(server.get(std::string(kFoos) + "?fieldSelector=spec.color%3Dred").json(), "items").empty());
  CHECK(server.get(v2 + "?fieldSelector=spec.color%3Dblue").status == 400);
  const auto deleted = server.stream(v2 + "?watch=true&timeoutSeconds=1&resourceVersion=0");
  CHECK(deleted.find("\"ADDED\"") != std::string::npos);
  CHECK(deleted.find("example.com/v2") != std::string::npos);
}

TEST_CASE("a changed definition changes what is served at once, for objects stored before, too") {
  Extended server;
  server.define(kFooDefinition, kFoos);
  REQUIRE(server.post(kFoos, foo("a")).status == 201);
  server.get(kFoos);  // fills the view
  const std::string definition = std::string(kDefinitions) + "/foos.example.com";
  const std::string properties = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties";
  const auto changed = server.patch(
      definition, "json-patch+json",
      R"([{"op":"add","path":")" + properties + R"(/shape","value":{"type":"string","default":"round"}}])");
  REQUIRE(changed.status == 200);
  CHECK(api::str(server.get(std::string(kFoos) + "/a").json(), "spec.shape") == "round");
  CHECK(api::str(api::list(server.get(kFoos).json(), "items")[0], "spec.shape") == "round");
  REQUIRE(server
              .patch(definition, "json-patch+json",
                     R"([{"op":"replace","path":"/spec/versions/1/served","value":false}])")
              .status == 200);
  CHECK(server.get("/apis/example.com/v2").status == 404);
  const auto fixed = server.patch(definition, "merge-patch+json", R"({"spec":{"scope":"Cluster"}})");
  CHECK(fixed.status == 422);
  CHECK(fixed.message().find("spec.scope: Invalid value: \"Cluster\": field is immutable") !=
        std::string::npos);
}

TEST_CASE("the storage version moves with the objects that are written") {
  Extended server;
  server.define(kFooDefinition, kFoos);
  REQUIRE(server.post(kFoos, foo("a")).status == 201);
  const std::string definition = std::string(kDefinitions) + "/foos.example.com";
  const auto moved = server.patch(
      definition, "json-patch+json",
      R"([{"op":"replace","path":"/spec/versions/0/storage","value":false},{"op":"replace","path":"/spec/versions/1/storage","value":true}])");
  REQUIRE(moved.status == 200);
  CHECK(api::list(moved.json(), "status.storedVersions") == api::JsonArray{"v1", "v2"});
  const auto before = server.get(std::string(kFoos) + "/a");
  const auto same =
      server.send(server.admin(), TestServer::request("PUT", std::string(kFoos) + "/a", before.text));
  REQUIRE(same.status == 200);
  CHECK(api::str(same.json(), "metadata.resourceVersion") !=
        api::str(before.json(), "metadata.resourceVersion"));
  const auto again =
      server.send(server.admin(), TestServer::request("PUT", std::string(kFoos) + "/a", same.text));
  CHECK(api::str(again.json(), "metadata.resourceVersion") ==
        api::str(same.json(), "metadata.resourceVersion"));
  CHECK(server.patch(definition + "/status", "merge-patch+json", R"({"status":{"storedVersions":["v3"]}})")
            .status == 422);
}

TEST_CASE("a deleted definition takes its objects along") {
  Extended server;
  server.define(kFooDefinition, kFoos);
  REQUIRE(server.post(kFoos, foo("a")).status == 201);
  REQUIRE(server
              .post(kFoos,
                    "{apiVersion: example.com/v1, kind: Foo, metadata: {name: held, finalizers: "
                    "[example.com/hold]}}")
              .status == 201);
  const std::string definition = std::string(kDefinitions) + "/foos.example.com";
  CHECK(server.remove(definition).status == 200);
  server.not_served(std::string(kFoos) + "/a");
  CHECK(server.post(kFoos, foo("late")).reason() == "MethodNotAllowed");
  const auto waiting = server.get(definition).json();
  CHECK(api::list(waiting, "metadata.finalizers") ==
        api::JsonArray{"customresourcecleanup.apiextensions.k8s.io"});
  CHECK(server.patch(std::string(kFoos) + "/held", "merge-patch+json", R"({"metadata":{"finalizers":null}})")
            .status == 200);
  server.not_served(definition);
  CHECK(server.get(kFoos).status == 404);
  CHECK(server.get("/apis/example.com").status == 404);
  server.define(kFooDefinition, kFoos);
  CHECK(api::list(server.get(kFoos).json(), "items").empty());
}

TEST_CASE("two definitions cannot have the same names") {
  Extended server;
  server.define(kFooDefinition, kFoos);
  const std::string second = R"(
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: others.example.com}
spec:
  group: example.com
  scope: Cluster
  names: {plural: others, kind: Foo}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
)";
  REQUIRE(server.post(kDefinitions, second).status == 201);
  const std::string others = std::string(kDefinitions) + "/others.example.com";
  const auto refused = server.until(
      others, [](const auto& answer) { return api::list(answer.json(), "status.conditions").size() == 2; });
  const Json seen = refused.json();
  const auto& conditions = api::list(seen, "status.conditions");
  CHECK(api::str(conditions[0], "reason") == "ListKindConflict");  // the last one found
  CHECK(api::str(conditions[0], "message") == "\"FooList\" is already in use");
  CHECK(api::str(conditions[1], "reason") == "NotAccepted");
  CHECK(server.get("/apis/example.com/v1/others").status == 404);
  server.remove(std::string(kDefinitions) + "/foos.example.com");
  server.served("/apis/example.com/v1/others");
}

TEST_CASE("definitions that are not right are refused in Kubernetes' words") {
  Extended server;
  const auto answer = server.post(kDefinitions, R"(
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: wrong}
spec:
  group: example
  scope: Planet
  names: {plural: foos, kind: Foo}
  versions:
  - {name: v1, served: true, storage: false}
)");
  CHECK(answer.status == 422);
  for (const std::string text :
       {"metadata.name: Invalid value: \"wrong\": must be spec.names.plural+\".\"+spec.group",
        "spec.group: Invalid value: \"example\": should be a domain with at least one dot",
        "spec.scope: Unsupported value: \"Planet\": supported values: \"Cluster\", \"Namespaced\"",
        "spec.versions[0].schema.openAPIV3Schema: Required value: schemas are required",
        "must have exactly one version marked as storage version"}) {
    INFO(text << "\n" << answer.message());
    CHECK(answer.message().find(text) != std::string::npos);
  }
}

TEST_CASE("rules in CEL are compiled with the definition and hold for its objects") {
  Extended server;
  const auto ruled = [](const std::string& rules) {
    return R"(
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: foos.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: foos, kind: Foo}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            x-kubernetes-validations:
)" + rules +
           R"(
            properties: {x: {type: integer}, y: {type: integer}}
)";
  };
  const auto refused = server.post(kDefinitions, ruled("            - {rule: 'self.z == 1'}"));
  CHECK(refused.status == 422);
  CHECK(refused.message().find("x-kubernetes-validations[0].rule") != std::string::npos);
  CHECK(refused.message().find("undefined field 'z'") != std::string::npos);
  server.define(ruled("            - {rule: 'self.x <= self.y'}\n"
                      "            - {rule: 'self.y >= oldSelf.y', message: y only grows, fieldPath: .y}\n"
                      "            - {rule: 'self.x != 7', messageExpression: '\"not \" + string(self.x)', "
                      "reason: FieldValueForbidden}"),
                kFoos);
  REQUIRE(server.post(kFoos, foo("a", "{x: 1, y: 2}")).status == 201);
  CHECK(server.post(kFoos, foo("b", "{x: 3, y: 2}")).message() ==
        "Foo.example.com \"b\" is invalid: spec: Invalid value: \"object\": failed rule: self.x <= self.y");
  CHECK(server.post(kFoos, foo("b", "{x: 7, y: 8}")).message() ==
        "Foo.example.com \"b\" is invalid: spec: Forbidden: not 7");
  const std::string a = std::string(kFoos) + "/a";
  CHECK(server.patch(a, "merge-patch+json", R"({"spec":{"y":1}})").message() ==
        "Foo.example.com \"a\" is invalid: spec.y: Invalid value: \"object\": y only grows");
  CHECK(server.patch(a, "merge-patch+json", R"({"spec":{"y":3}})").status == 200);
}

TEST_CASE("a rule that may run too long is refused with its definition") {
  Extended server;
  const auto ruled = [](const std::string& bound) {
    return R"(
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: foos.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: foos, kind: Foo}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              x:
                type: array
)" + bound +
           R"yaml(
                items:
                  type: array
                  items: {type: string}
                  maxItems: 100
                  x-kubernetes-validations:
                  - {rule: "self.all(s, self.all(t, s == 'one' || t == 'two'))"}
)yaml";
  };
  const auto refused = server.post(kDefinitions, ruled(""));
  CHECK(refused.status == 422);
  CHECK(refused.message().find("Forbidden: estimated rule cost exceeds budget by factor of more than 100x") !=
        std::string::npos);
  server.define(ruled("                maxItems: 10"), kFoos);
}

TEST_CASE("what custom resources look like is published") {
  Extended server;
  server.define(kFooDefinition, kFoos);
  const auto v2 = server.get("/openapi/v2");
  CHECK(v2.text.find("\"com.example.v1.Foo\"") != std::string::npos);
  CHECK(v2.text.find("\"com.example.v2.FooList\"") != std::string::npos);
  auto again = TestServer::request("GET", "/openapi/v2");
  again.headers.set("If-None-Match", std::string(v2.headers.get("ETag")));
  CHECK(server.send(server.admin(), std::move(again)).status == 304);
  const auto v3 = server.get("/openapi/v3/apis/example.com/v1");
  CHECK(v3.text.find("A Foo for tests") != std::string::npos);
  CHECK(v3.text.find("com.example.v2.Foo") == std::string::npos);
  const auto tag = v3.headers.get("ETag");
  REQUIRE(
      server
          .patch(
              std::string(kDefinitions) + "/foos.example.com", "json-patch+json",
              R"([{"op":"replace","path":"/spec/versions/0/schema/openAPIV3Schema/description","value":"Another"}])")
          .status == 200);
  const auto changed = server.get("/openapi/v3/apis/example.com/v1");
  CHECK(changed.headers.get("ETag") != tag);
  CHECK(changed.text.find("Another") != std::string::npos);
}

TEST_CASE("a policy sees custom resources in the version it asks for") {
  const std::string kGroup = "/apis/admissionregistration.k8s.io/v1/";
  Extended server;
  server.define(kFooDefinition, kFoos);
  const auto policy = [](const std::string& name, const std::string& match) {
    return "{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingAdmissionPolicy, metadata: "
           "{name: " +
           name + "}, spec: {matchConstraints: {matchPolicy: " + match +
           ", resourceRules: [{apiGroups: [example.com], apiVersions: [v1], operations: [CREATE], resources: "
           "[foos]}]},"
           " validations: [{expression: 'false', messageExpression: '[object.apiVersion, "
           "request.kind.version, "
           "request.requestKind.version].join(\",\")'}]}}";
  };
  const auto bound = [](const std::string& name) {
    return "{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingAdmissionPolicyBinding, metadata: "
           "{name: " +
           name + "}, spec: {policyName: " + name + ", validationActions: [Warn]}}";
  };
  for (const std::string match : {"Exact", "Equivalent"}) {
    const std::string name = to_lower(match);
    REQUIRE(server.post(kGroup + "validatingadmissionpolicies", policy(name, match)).status == 201);
    REQUIRE(server.post(kGroup + "validatingadmissionpolicybindings", bound(name)).status == 201);
  }
  const auto warning = [&](const std::string& version) {
    const auto made = server.post(
        "/apis/example.com/" + version + "/namespaces/default/foos",
        "{apiVersion: example.com/" + version + ", kind: Foo, metadata: {name: " + version + "}, spec: {}}");
    REQUIRE(made.status == 201);
    std::string out;
    for (const auto& [field, value] : made.headers.all())
      if (field == "Warning") out += value;
    return out;
  };
  const auto second = warning("v2");
  CHECK(second.find("example.com/v1,v1,v2") != std::string::npos);
  CHECK(second.find("'exact'") == std::string::npos);
  CHECK(warning("v1").find("example.com/v1,v1,v1") != std::string::npos);
}
