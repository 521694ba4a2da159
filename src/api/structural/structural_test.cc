#include "mk/api/structural.h"

#include <catch2/catch.hpp>

using namespace mk;
using namespace mk::api;

namespace {

Json yaml(std::string_view text) {
  auto parsed = parse_yaml(text);
  if (!parsed.ok()) FAIL(parsed.error().message());
  return std::move(parsed).value();
}

StructuralSchema schema(std::string_view text) {
  return StructuralSchema(yaml(text), {"example.com", "v1", "Foo"});
}

std::vector<std::string> texts(const std::vector<Cause>& causes) {
  std::vector<std::string> out;
  for (const auto& cause : causes) out.push_back(cause.field + ": " + cause.message);
  return out;
}

std::vector<std::string> wrong(std::string_view schema_text, std::string_view object,
                               std::string_view old = "") {
  std::vector<Cause> causes;
  const Json before = yaml(old);
  schema(schema_text).validate(yaml(object), old.empty() ? nullptr : &before, causes);
  return texts(causes);
}

std::vector<std::string> refused(std::string_view schema_text) {
  std::vector<Cause> causes;
  check_structural(yaml(schema_text), "s", causes);
  return texts(causes);
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("a structural schema prunes what nobody declared") {
  const auto foo = schema(R"(
type: object
properties:
  spec:
    type: object
    properties:
      n: {type: integer, nullable: true}
      gone: {type: string}
      any: {type: object, x-kubernetes-preserve-unknown-fields: true, properties: {known: {type: object}}}
      byName: {type: object, additionalProperties: {type: object, properties: {a: {type: string}}}}
      list: {type: array, items: {type: object, properties: {a: {type: string}}}}
      pod: {type: object, x-kubernetes-embedded-resource: true, properties: {metadata: {type: object}}}
)");
  Json object =
      yaml(R"({apiVersion: example.com/v1, kind: Foo, metadata: {name: a, x: 1, creationTimestamp: null},
    other: 1, spec: {n: null, gone: null, any: {z: null, known: {b: 1}}, byName: {k: {a: a, b: b}},
    list: [{a: a, c: c}], pod: {kind: Pod, metadata: {name: p, y: 1}, q: 1}}})");
  FieldProblems unknown;
  REQUIRE(foo.prune(object, unknown).ok());
  CHECK(object == yaml(R"({apiVersion: example.com/v1, kind: Foo, metadata: {name: a},
    spec: {n: null, any: {z: null, known: {}}, byName: {k: {a: a}}, list: [{a: a}],
    pod: {kind: Pod, metadata: {name: p}}}})"));
  CHECK(unknown == FieldProblems{"unknown field \"metadata.x\"", "unknown field \"other\"",
                                 "unknown field \"spec.any.known.b\"", "unknown field \"spec.byName.k.b\"",
                                 "unknown field \"spec.list[0].c\"", "unknown field \"spec.pod.metadata.y\"",
                                 "unknown field \"spec.pod.q\""});
  Json broken = yaml("{metadata: {labels: [1]}}");
  CHECK_FALSE(foo.prune(broken, unknown).ok());
}

TEST_CASE("a structural schema's defaults") {
  const auto foo = schema(R"(
type: object
properties:
  spec:
    type: object
    default: {}
    properties:
      color: {type: string, default: red}
      list: {type: array, items: {type: object, properties: {n: {type: integer, default: 3}}}}
)");
  Json object = yaml("{metadata: {name: a}}");
  foo.apply_defaults(object);
  CHECK(object == yaml("{metadata: {name: a}, spec: {color: red}}"));
  object = yaml("{spec: {color: blue, list: [{}, {n: 1}]}}");
  foo.apply_defaults(object);
  CHECK(object == yaml("{spec: {color: blue, list: [{n: 3}, {n: 1}]}}"));
}

TEST_CASE("values against their rules, in Kubernetes' words") {
  const auto rule = [](std::string rules, std::string value) {
    return wrong("{type: object, properties: {x: " + rules + "}}", "{x: " + value + "}");
  };
  CHECK(rule("{type: integer}", "abc") ==
        Texts{"x: Invalid value: \"string\": x in body must be of type integer: \"string\""});
  CHECK(rule("{type: integer}", "1.0").empty());
  CHECK(rule("{type: number}", "1").empty());
  CHECK(rule("{type: string}", "null") ==
        Texts{"x: Invalid value: \"null\": x in body must be of type string: \"null\""});
  CHECK(rule("{type: string, nullable: true}", "null").empty());
  CHECK(rule("{x-kubernetes-int-or-string: true}", "5%").empty());
  CHECK(rule("{x-kubernetes-int-or-string: true}", "true") ==
        Texts{"x: Invalid value: \"boolean\": x in body must be of type integer,string: \"boolean\""});
  CHECK(rule("{type: integer, maximum: 10}", "11") ==
        Texts{"x: Invalid value: 11: x in body should be less than or equal to 10"});
  CHECK(rule("{type: integer, minimum: 1, exclusiveMinimum: true}", "1") ==
        Texts{"x: Invalid value: 1: x in body should be greater than 1"});
  CHECK(rule("{type: integer, multipleOf: 3}", "4") ==
        Texts{"x: Invalid value: 4: x in body should be a multiple of 3"});
  CHECK(rule("{type: string, pattern: '^a+$'}", "ab") ==
        Texts{"x: Invalid value: \"ab\": x in body should match '^a+$'"});
  CHECK(rule("{type: string, minLength: 3}", "ab") ==
        Texts{"x: Invalid value: \"ab\": x in body should be at least 3 chars long"});
  CHECK(rule("{type: string, maxLength: 1}", "ab") == Texts{"x: Too long: may not be more than 1 bytes"});
  CHECK(rule("{type: string, enum: [b, a]}", "c") ==
        Texts{"x: Unsupported value: \"c\": supported values: \"b\", \"a\""});
  CHECK(rule("{type: string, format: ipv4}", "1.2.3") ==
        Texts{"x: Invalid value: \"1.2.3\": x in body must be of type ipv4: \"1.2.3\""});
  CHECK(rule("{type: string, format: date-time}", "'2026-01-02T03:04:05+02:00'").empty());
  CHECK(rule("{type: string, format: unheard-of}", "a").empty());
  CHECK(rule("{type: array, maxItems: 1, items: {type: integer}}", "[1, 2]") ==
        Texts{"x: Too many: 2: must have at most 1 item"});
  CHECK(rule("{type: array, items: {type: integer}}", "[1, a]") ==
        Texts{"x[1]: Invalid value: \"string\": x[1] in body must be of type integer: \"string\""});
  CHECK(rule("{type: array, x-kubernetes-list-type: set, items: {type: string}}", "[a, b, a]") ==
        Texts{"x[2]: Duplicate value: \"a\""});
  CHECK(
      rule(
          "{type: array, x-kubernetes-list-type: map, x-kubernetes-list-map-keys: [k], items: {type: object, "
          "properties: {k: {type: string}, v: {type: string}}, required: [k]}}",
          "[{k: a, v: 1}, {k: a, v: '2'}]") ==
      Texts{"x[1]: Duplicate value: {\"k\":\"a\"}",
            "x[0].v: Invalid value: \"integer\": x[0].v in body must be of type string: \"integer\""});
  CHECK(rule("{type: object, required: [a], properties: {a: {type: string}}}", "{}") ==
        Texts{"x.a: Required value"});
  CHECK(rule("{type: object, maxProperties: 1, additionalProperties: {type: string}}", "{a: b, c: d}") ==
        Texts{"x: Too many: 2: must have at most 1 item"});
  CHECK(
      rule("{type: object, x-kubernetes-embedded-resource: true, x-kubernetes-preserve-unknown-fields: true}",
           "{kind: Pod}") == Texts{"x.apiVersion: Required value: must not be empty"});
}

TEST_CASE("junctors of rules") {
  const auto rule = [](std::string rules, std::string value) {
    return wrong("{type: object, properties: {x: " + rules + "}}", "{x: " + value + "}");
  };
  const std::string either = "{type: integer, oneOf: [{minimum: 5}, {multipleOf: 2}]}";
  CHECK(rule(either, "7").empty());
  CHECK(rule(either, "2").empty());
  CHECK(rule(either, "3").size() == 2);
  CHECK(rule(either, "3").back() ==
        "x: Invalid value: \"\": \"x\" must validate one and only one schema (oneOf). Found none valid");
  CHECK(rule(either, "6").size() == 1);
  CHECK(rule("{type: integer, anyOf: [{minimum: 5}, {maximum: 2}]}", "3").back() ==
        "x: Invalid value: \"\": \"x\" must validate at least one schema (anyOf)");
  CHECK(rule("{type: integer, not: {minimum: 5}}", "6") ==
        Texts{"x: Invalid value: \"\": \"x\" must not validate the schema (not)"});
}

TEST_CASE("what an update leaves as it is need not become right") {
  const auto* rules =
      "{type: object, properties: {a: {type: string, maxLength: 1}, b: {type: string, maxLength: 1}}}";
  CHECK(wrong(rules, "{a: long, b: c}", "{a: long, b: d}").empty());
  CHECK(wrong(rules, "{a: long, b: long}", "{a: long, b: d}") ==
        Texts{"b: Too long: may not be more than 1 bytes"});
}

TEST_CASE("schemas that are not structural are refused") {
  CHECK(refused("{type: object, properties: {a: {type: string}}}").empty());
  CHECK(refused("{properties: {a: {}}}") ==
        Texts{"s.type: Required value: must not be empty at the root",
              "s.properties[a].type: Required value: must not be empty for "
              "specified object fields"});
  CHECK(refused("{type: object, properties: {l: {type: array}}}") ==
        Texts{"s.properties[l].items: Required value: must be specified"});
  CHECK(refused("{type: object, properties: {a: {type: string, pattern: '('}}}").size() == 1);
  CHECK(refused("{type: object, properties: {a: {type: integer, default: abc}}}").size() == 1);
  CHECK(refused("{type: object, additionalProperties: {type: string}, properties: {a: {type: string}}}") ==
        Texts{"s.additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive"});
  CHECK(refused("{type: object, properties: {a: {type: string, anyOf: [{type: string}]}}}") ==
        Texts{"s.properties[a].anyOf[0].type: Forbidden: must be empty to be structural"});
  CHECK(refused("{type: object, properties: {a: {x-kubernetes-int-or-string: true, anyOf: [{type: integer}, "
                "{type: string}]}}}")
            .empty());
  CHECK(refused(
            "{type: object, properties: {l: {type: array, x-kubernetes-list-type: map, items: {type: object, "
            "properties: {k: {type: string}}}, x-kubernetes-list-map-keys: [k]}}}") ==
        Texts{"s.properties[l].items.properties[k].default: Required value: this property is in "
              "x-kubernetes-list-map-keys, so it must have a default or be a required property"});
}

TEST_CASE("the types of a custom resource serve patches and ownership") {
  const auto foo = schema(R"({type: object, properties: {ports: {type: array, x-kubernetes-list-type: map,
    x-kubernetes-list-map-keys: [p], items: {type: object, required: [p], properties: {p: {type: integer}}}}}})");
  const auto* ports = foo.type().field("ports");
  REQUIRE(ports != nullptr);
  CHECK(ports->type->list_type == Type::ListType::kMap);
  CHECK(foo.type().name == "com.example.v1.Foo");
  CHECK(foo.type().field("metadata")->type->name == "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta");
}
