#include "admissionpolicy/status_controller.h"

#include <catch2/catch.hpp>

using namespace mk;
using api::Json;

namespace {

Json policy(std::string_view spec) {
  Json out = api::parse_yaml(
                 "{spec: {matchConstraints: {resourceRules: [{apiGroups: [apps], apiVersions: [v1], "
                 "operations: [CREATE], resources: [deployments]}]}}}")
                 .value();
  const Json more = api::parse_yaml(spec).value();
  for (const auto& entry : more.get_object()) out.at("spec").get_object()[entry.key()] = entry.value();
  return out;
}

std::vector<std::pair<std::string, std::string>> warnings(const Json& checked) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& each : api::list(checked, "expressionWarnings"))
    out.emplace_back(api::str(each, "fieldRef"), api::str(each, "warning"));
  return out;
}

}  // namespace

TEST_CASE("a policy whose types are right gets no warning") {
  const Json checked =
      controller::type_check_policy(policy("{variables: [{name: r, expression: object.spec.replicas}], "
                                           "validations: [{expression: 'variables.r > 1 && "
                                           "namespaceObject.metadata.name == request.namespace'}]}"),
                                    {});
  CHECK(checked == Json(api::JsonObject()));
}

TEST_CASE("confused types are warnings that name field and kind") {
  const auto found = warnings(controller::type_check_policy(
      policy("{validations: [{expression: \"object.spec.replicas > '1'\", messageExpression: \"'got ' + "
             "object.spec.replicas\"}]}"),
      {}));
  REQUIRE(found.size() == 2);
  CHECK(found[0].first == "spec.validations[0].expression");
  CHECK(
      found[0].second ==
      "apps/v1, Kind=Deployment: ERROR: <input>:1:22: found no matching overload for '_>_' applied to '(int, "
      "string)'\n"
      " | object.spec.replicas > '1'\n"
      " | .....................^");
  CHECK(found[1].first == "spec.validations[0].messageExpression");
  CHECK(found[1].second.find("found no matching overload for '_+_' applied to '(string, int)'") !=
        std::string::npos);
}

TEST_CASE("each kind that rules name is checked, wildcards are not") {
  Json both = policy("{validations: [{expression: object.spec.replicas > 0}]}");
  both.at_pointer("/spec/matchConstraints/resourceRules/0/resources") =
      api::JsonArray{"deployments", "daemonsets", "nothings"};
  const auto found = warnings(controller::type_check_policy(both, {}));
  REQUIRE(found.size() == 1);
  CHECK(found[0].second.starts_with("apps/v1, Kind=DaemonSet: "));
  CHECK(found[0].second.find("undefined field 'replicas'") != std::string::npos);
  both.at_pointer("/spec/matchConstraints/resourceRules/0/resources") = api::JsonArray{"*"};
  CHECK(warnings(controller::type_check_policy(both, {})).empty());
}

TEST_CASE("custom resources and params have the types of their schemas") {
  const api::Object definition(api::parse_yaml(R"(
metadata: {name: crontabs.stable.example.com}
spec:
  group: stable.example.com
  names: {plural: crontabs, kind: CronTab}
  versions:
  - name: v1
    served: true
    schema:
      openAPIV3Schema:
        type: object
        properties: {spec: {type: object, properties: {replicas: {type: integer}}}}
)")
                                   .value());
  Json crontabs = policy(
      "{paramKind: {apiVersion: v1, kind: ConfigMap}, validations: [{expression: \"object.spec.replicas > "
      "'1'\"}, "
      "{expression: object.spec.maxRetries < 10}, {expression: \"params.data['a'] == 1\"}]}");
  crontabs.at_pointer("/spec/matchConstraints/resourceRules/0") =
      api::parse_yaml(
          "{apiGroups: [stable.example.com], apiVersions: [v1], resources: [crontabs], operations: ['*']}")
          .value();
  const auto found = warnings(controller::type_check_policy(crontabs, {definition}));
  REQUIRE(found.size() == 3);
  CHECK(found[0].second.find("'_>_' applied to '(int, string)'") != std::string::npos);
  CHECK(found[1].second.find("undefined field 'maxRetries'") != std::string::npos);
  CHECK(found[2].second.find("'_==_' applied to '(string, int)'") != std::string::npos);
}
