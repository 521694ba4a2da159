#include "mk/cel/schema_types.h"
#include "test_eval.h"

namespace mk::cel::testing {

TEST_CASE("a problem is shown with its place in the source") {
  const Env env({Variable("object", types::dyn())});
  CHECK(env.compile("object.x + foo").error().message() ==
        "ERROR: <input>:1:12: undeclared reference to 'foo' (in container '')\n"
        " | object.x + foo\n"
        " | ...........^");
  CHECK(env.compile("true &&\n  bar").error().message() ==
        "ERROR: <input>:2:3: undeclared reference to 'bar' (in container '')\n"
        " |   bar\n"
        " | ..^");
  CHECK(env.compile("a + b").error().message() ==
        "ERROR: <input>:1:1: undeclared reference to 'a' (in container '')\n"
        " | a + b\n"
        " | ^\n"
        "ERROR: <input>:1:5: undeclared reference to 'b' (in container '')\n"
        " | a + b\n"
        " | ....^");
}

TEST_CASE("what does not type-check") {
  const Env env({Variable("i", types::integer()), Variable("s", types::string()),
                 Variable("m", types::map(types::string(), types::integer()))});
  const std::vector<Row> rows{
      {"i > '1'", "found no matching overload for '_>_' applied to '(int, string)'"},
      {"'got ' + i", "found no matching overload for '_+_' applied to '(string, int)'"},
      {"s.startsWith(1)", "found no matching overload for 'startsWith' applied to 'string.(int)'"},
      {"i == s", "found no matching overload for '_==_' applied to '(int, string)'"},
      {"i.foo", "type 'int' does not support field selection"},
      {"nofun(i)", "undeclared reference to 'nofun' (in container '')"},
      {"i && true", "found no matching overload for '_&&_' applied to '(int, bool)'"},
      {"[1, 'a']", "expected type 'int' but found 'string'"},
      {"{'a': 1, 'b': 'c'}", "expected type 'int' but found 'string'"},
      {"true ? 1 : 'a'", "found no matching overload for '_?_:_' applied to '(bool, int, string)'"},
      {"i.all(x, true)",
       "expression of type 'int' cannot be range of a comprehension (must be list, map, or dynamic)"},
      {"[1].all(x, x)", "found no matching overload for '_&&_' applied to '(bool, int)'"},
      {"m.a + 'x'", "found no matching overload for '_+_' applied to '(int, string)'"},
      {"Foo{a: 1}", "undeclared reference to 'Foo' (in container '')"},
      {"1 in s", "found no matching overload for '@in' applied to '(int, string)'"}};
  for (const auto& row : rows) {
    INFO(row.expression);
    CHECK(complaint(env, row.expression) == row.result);
  }
}

TEST_CASE("what does not parse") {
  const Env env({});
  const std::vector<Row> rows{
      {"1 +",
       "Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', "
       "'null', "
       "NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}"},
      {"1 2", "Syntax error: mismatched input '2' expecting <EOF>"},
      {"1 = 2", "Syntax error: token recognition error at: '='"},
      {"'open", "Syntax error: token recognition error at: ''open'"},
      {"for", "reserved identifier: for"},
      {"has(a)", "invalid argument to has() macro"},
      {"[1].all(x.y, true)", "argument must be a simple name"},
      {"99999999999999999999", "Syntax error: invalid literal '99999999999999999999'"},
      {"(1", "Syntax error: mismatched input '<EOF>' expecting ')'"}};
  for (const auto& row : rows) {
    INFO(row.expression);
    CHECK(complaint(env, row.expression) == row.result);
  }
  CHECK(complaint(env, "").starts_with("Syntax error: mismatched input '<EOF>' expecting"));
}

TEST_CASE("size and nesting of expressions have limits") {
  const Env env({});
  CHECK(complaint(env, std::string(300, '(') + "1" + std::string(300, ')')) ==
        "expression recursion limit exceeded: 250");
  CHECK(complaint(env, std::string(300, '[') + std::string(300, ']')) ==
        "expression recursion limit exceeded: 250");
  std::string sum = "1", all = "true";
  for (int i = 0; i < 20'000; ++i) {
    sum += "+1";
    if (i < 5'000) all += " && true";
  }
  CHECK(complaint(env, sum) == "expression recursion limit exceeded: 250");
  CHECK(evaluate(env, all) == "true");
  CHECK(complaint(env, std::string(100'001, ' ') + "1") ==
        "expression code point size exceeds limit: size: 100002, limit 100000");
}

TEST_CASE("types of results") {
  const Env env({Variable("l", types::list(types::string())), Variable("d", types::dyn())});
  const std::vector<Row> rows{{"l.map(x, x.size())", "list(int)"},
                              {"l[0]", "string"},
                              {"d.a", "dyn"},
                              {"d.a > 1", "bool"},
                              {"[]", "list(dyn)"},
                              {"{'a': [1]}", "map(string, list(int))"},
                              {"optional.of(1)", "optional_type(int)"},
                              {"l.filter(x, x == 'a')", "list(string)"},
                              {"d ? 1 : 2", "int"},
                              {"{'a': 1}.?b.orValue(3)", "int"},
                              {"quantity('1')", "kubernetes.Quantity"}};
  for (const auto& row : rows) {
    INFO(row.expression);
    const auto program = env.compile(row.expression);
    REQUIRE(program.ok());
    CHECK(program->type()->str() == row.result);
  }
}

TEST_CASE("a variable may have a dotted name") {
  check_rows(Env({Variable("a.b", types::integer())}), {{"a.b + 1", "3"}, {"[a.b].map(x, x)", "[2]"}},
             {Value::integer(2)});
}

TEST_CASE("built-in kinds are types") {
  const ApiTypes provider(api::builtin_schema());
  const Env env({Variable("object", provider.of(api::Gvk{"apps", "v1", "Deployment"}))}, &provider);
  CHECK(complaint(env, "object.spec.replicas > 1").empty());
  CHECK(complaint(env, "object.spec.replicas > '1'") ==
        "found no matching overload for '_>_' applied to '(int, string)'");
  CHECK(complaint(env, "object.spec.maxRetries < 10") == "undefined field 'maxRetries'");
  CHECK(complaint(env, "object.metadata.namespace == 'x'").empty());
  CHECK(complaint(env, "object.spec.template.spec.containers.all(c, c.image.startsWith('a/'))").empty());
  CHECK(complaint(env, "object.metadata.labels['a'] == 1") ==
        "found no matching overload for '_==_' applied to '(string, int)'");
}

TEST_CASE("structural schemas are types, and values have them") {
  const auto schema = api::parse_yaml(R"(
type: object
properties:
  spec:
    type: object
    properties:
      replicas: {type: integer}
      ratio: {type: number}
      started: {type: string, format: date-time}
      wait: {type: string, format: duration}
      namespace: {type: string}
      a-b.c/d: {type: string}
      names: {type: array, x-kubernetes-list-type: set, items: {type: string}}
      ports: {type: array, x-kubernetes-list-type: map, x-kubernetes-list-map-keys: [n], items: {type: object,
              properties: {n: {type: integer}, v: {type: string}}}}
      by: {type: object, additionalProperties: {type: integer}}
      port: {x-kubernetes-int-or-string: true}
)")
                          .value();
  const SchemaTypes types_of(schema, "self");
  const Env env({Variable("self", types_of.root().type)}, &types_of);
  const auto data = api::parse_yaml(R"(
metadata: {name: n}
spec: {replicas: 2, ratio: 1, started: "2024-01-01T00:00:00Z", wait: 1h, namespace: x, a-b.c/d: y,
       names: [a, b], by: {k: 1}, port: http,
       ports: [{n: 1, v: a}, {n: 2, v: b}]}
)")
                        .value();
  check_rows(env,
             {{"self.spec.replicas + 1", "3"},
              {"self.spec.ratio == 1.0", "true"},
              {"self.spec.started.getFullYear()", "2024"},
              {"self.spec.wait > duration('30m')", "true"},
              {"self.spec.__namespace__", "\"x\""},
              {"self.spec.a__dash__b__dot__c__slash__d", "\"y\""},
              {"self.spec.names == ['b', 'a']", "true"},
              {"(self.spec.names + ['b', 'c']).size()", "3"},
              {"(self.spec.ports + self.spec.ports).size()", "2"},
              {"self.spec.by.k", "1"},
              {"self.spec.port == 'http'", "true"},
              {"self.metadata.name", "\"n\""},
              {"has(self.spec.replicas)", "true"}},
             {Value::json(data, &types_of.root())});
  CHECK(complaint(env, "self.spec.missing") == "undefined field 'missing'");
  CHECK(complaint(env, "self.spec.replicas == 'a'") ==
        "found no matching overload for '_==_' applied to '(int, string)'");
  CHECK(complaint(env, "self.metadata.labels") == "undefined field 'labels'");
}

TEST_CASE("property names that are no identifiers are escaped and come back") {
  for (const auto& [property, identifier] :
       {std::pair("namespace", "__namespace__"), std::pair("a-b", "a__dash__b"),
        std::pair("a.b", "a__dot__b"), std::pair("a/b", "a__slash__b"),
        std::pair("a__b", "a__underscores__b"), std::pair("plain", "plain")}) {
    CHECK(escape_property(property) == identifier);
    CHECK(unescape_property(identifier) == property);
  }
  CHECK(escape_property("1st").empty());
  CHECK(escape_property("a b").empty());
}

}  // namespace mk::cel::testing
