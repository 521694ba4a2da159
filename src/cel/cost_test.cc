#include "mk/cel/cost.h"

#include "test_eval.h"

namespace mk::cel::testing {

namespace {

struct Rules {
  explicit Rules(const char* schema)
      : types_of(api::parse_yaml(schema).value(), "self"),
        env({Variable("self", types_of.root().type)}, &types_of) {}
  std::uint64_t most(std::string_view expression) {
    const auto program = env.compile(expression);
    if (!program.ok()) FAIL(program.error().message());
    return estimate_cost(*program, {&types_of.root()}).max;
  }
  SchemaTypes types_of;
  Env env;
};

}  // namespace

TEST_CASE("what a schema bounds is cheap, what it leaves open is not") {
  Rules bounded(R"({type: object, properties: {
    names: {type: array, maxItems: 10, items: {type: string, maxLength: 20}}, size: {type: integer}}})");
  Rules open(
      "{type: object, properties: {names: {type: array, items: {type: string}}, size: {type: integer}}}");
  CHECK(bounded.most("self.size > 1") < 10);
  CHECK(open.most("self.size > 1") < 10);
  const char* const nested = "self.names.all(x, self.names.all(y, x == y || x.contains(y)))";
  CHECK(bounded.most(nested) < limits::kStaticCost);
  CHECK(open.most(nested) > limits::kStaticCost);
  CHECK(open.most("self.names.exists(n, n == 'a')") > limits::kStaticCost / 10);
  CHECK(bounded.most("self.names.map(n, n + 'x').filter(n, n.startsWith('a')).size() > 0") < 10'000);
}

TEST_CASE("an estimate is never below what an evaluation costs") {
  Rules rules(R"({type: object, properties: {
    names: {type: array, maxItems: 5, items: {type: string, maxLength: 8}},
    by: {type: object, maxProperties: 4, additionalProperties: {type: integer}}}})");
  const api::Json data =
      api::parse_yaml(
          "{names: [aaaaaaaa, bbbbbbbb, cccccccc, dddddddd, eeeeeeee], by: {a: 1, b: 2, c: 3, d: 4}}")
          .value();
  for (const char* expression :
       {"self.names.all(n, n.size() <= 8)", "self.by.all(k, self.by[k] > 0)", "self.names == self.names",
        "self.names.map(n, n.upperAscii()).exists(n, n.matches('^[A-Z]+$'))",
        "self.names.all(x, self.names.exists_one(y, x == y))", "'aaaaaaaa' in self.names && has(self.by)",
        "self.names.filter(n, n > 'b').map(n, n + n).join(',').split(',').size() == 4",
        "cel.bind(l, self.names + self.names, l.all(n, n in l))"}) {
    INFO(expression);
    const auto program = rules.env.compile(expression);
    REQUIRE(program.ok());
    Budget budget;
    const auto value = program->evaluate(ValueBindings({Value::json(data, &rules.types_of.root())}), budget);
    REQUIRE(value.ok());
    CHECK(value->is_true());
    const auto spent = limits::kCostBudget - budget.left;
    const auto estimate = estimate_cost(*program, {&rules.types_of.root()});
    CHECK(spent <= estimate.max);
    CHECK(estimate.min <= spent);
  }
}

}  // namespace mk::cel::testing
