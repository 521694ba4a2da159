#include "mk/cel/admission.h"

#include "test_eval.h"

namespace mk::cel::testing {

namespace {
std::string result_of(Result<Program> program) {
  return program.ok() ? program->type()->str() : program.error().message();
}
std::string json_of(Result<api::Json> json) {
  return json.ok() ? api::to_json(*json) : json.error().message();
}
}  // namespace

TEST_CASE("an expression of a policy must be of its type") {
  const AdmissionTypes types_of(nullptr, types::dyn(), nullptr);
  const Env env = types_of.env(AdmissionTypes::Names(true, false));
  CHECK(result_of(compile_expression(env, "object.x > 1", Expected::kBool)) == "bool");
  CHECK(result_of(compile_expression(env, "object.x", Expected::kBool)) == "dyn");
  CHECK(result_of(compile_expression(env, "1", Expected::kBool)) == "must evaluate to bool");
  CHECK(result_of(compile_expression(env, "1", Expected::kStringOrNull)) ==
        "must evaluate to one of [string null_type]");
  CHECK(result_of(compile_expression(env, "foo", Expected::kBool))
            .starts_with("compilation failed: ERROR: <input>:1:1"));
  CHECK(result_of(compile_expression(env, "params.x", Expected::kAny))
            .find("undeclared reference to 'params'") != std::string::npos);
  CHECK(result_of(compile_expression(env, "variables.x", Expected::kAny)).find("undeclared") !=
        std::string::npos);
  CHECK(result_of(compile_expression(env, "request.userInfo.groups", Expected::kAny)) == "list(string)");
  CHECK(result_of(compile_expression(env, "request.kind.group", Expected::kAny)) == "string");
  CHECK(result_of(compile_expression(env, "request.nothing", Expected::kAny))
            .find("undefined field 'nothing'") != std::string::npos);
  CHECK(result_of(compile_expression(env, "namespaceObject.metadata.labels['a']", Expected::kAny)) ==
        "string");
  CHECK(result_of(compile_expression(env, "authorizer.requestResource.check('get').allowed()",
                                     Expected::kBool)) == "bool");
}

TEST_CASE("variables are known once declared, with their types") {
  AdmissionTypes types_of(nullptr, types::dyn(), types::dyn());
  const Env env = types_of.env(AdmissionTypes::Names(true, true));
  CHECK(!compile_expression(env, "variables.replicas > 1", Expected::kBool).ok());
  types_of.declare("replicas", types::integer());
  CHECK(compile_expression(env, "variables.replicas > 1", Expected::kBool).ok());
  CHECK(!compile_expression(env, "variables.replicas > 'a'", Expected::kBool).ok());
}

TEST_CASE("mutations construct objects and patches") {
  const AdmissionTypes types_of(nullptr, types::dyn(), nullptr);
  const Env env = types_of.env(AdmissionTypes::Names(true, false));
  Budget budget;
  const auto value = [&](std::string_view expression, Expected expected) {
    const auto program = compile_expression(env, expression, expected);
    INFO(expression);
    if (!program.ok()) FAIL(program.error().message());
    return *program->evaluate(ValueBindings(std::vector<Value>(7, Value::null())), budget);
  };
  CHECK(json_of(apply_configuration_json(
            value("Object{spec: Object.spec{replicas: 1337}}", Expected::kApplyConfiguration))) ==
        R"({"spec":{"replicas":1337}})");
  CHECK(json_of(apply_configuration_json(value("Object{metadata: Object.metadata{annotations: {'a': 'b'}}}",
                                               Expected::kApplyConfiguration))) ==
        R"({"metadata":{"annotations":{"a":"b"}}})");
  CHECK(json_of(apply_configuration_json(
            value("Object{spec: Object.spec{containers: [Object.spec.containers{name: 'x'}]}}",
                  Expected::kApplyConfiguration))) == R"({"spec":{"containers":[{"name":"x"}]}})");
  CHECK(json_of(apply_configuration_json(
            value("Object{spec: Object.other{replicas: 1}}", Expected::kApplyConfiguration))) ==
        "unexpected type name \"Object.other\", expected \"Object.spec\", which matches field name path from "
        "root "
        "Object type");
  CHECK(json_of(json_patch_json(
            value("[JSONPatch{op: 'add', path: '/a/' + jsonpatch.escapeKey('x/y'), value: 1}]",
                  Expected::kJsonPatch))) == R"([{"op":"add","path":"/a/x~1y","value":1}])");
  CHECK(json_of(json_patch_json(value("[]", Expected::kJsonPatch))) == "[]");
  CHECK(result_of(compile_expression(env, "1", Expected::kApplyConfiguration)) == "must evaluate to Object");
  CHECK(result_of(compile_expression(env, "JSONPatch{nope: 1}", Expected::kAny))
            .find("undefined field 'nope'") != std::string::npos);
  CHECK(result_of(compile_expression(env, "[JSONPatch{op: 1}]", Expected::kAny))
            .find("expected type of field 'op' is 'string' but provided type is 'int'") != std::string::npos);
}

}  // namespace mk::cel::testing
