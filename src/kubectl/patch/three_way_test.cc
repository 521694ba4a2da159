#include <catch2/catch.hpp>

#include "mk/api/patch.h"
#include "patch/three_way.h"
#include "print/object_printer.h"

using namespace mk;
using namespace mk::kubectl;

namespace {

api::Json yaml(std::string_view text) {
  return api::parse_yaml(text).value();
}
const api::Type* type_of(const char* group, const char* kind) {
  return api::builtin_schema().type(api::Gvk{group, "v1", kind});
}
std::string patch(const api::Type* type, const char* original, const char* modified, const char* current) {
  return api::to_json(sort_keys(three_way_patch(type, yaml(original), yaml(modified), yaml(current))));
}

}  // namespace

TEST_CASE("three-way: fields of others stay, dropped ones go") {
  CHECK(patch(nullptr, "{a: 1, b: 2}", "{a: 1}", "{a: 1, b: 2, c: 3}") == R"({"b":null})");
  CHECK(patch(nullptr, "{a: 1}", "{a: 2}", "{a: 1, c: 3}") == R"({"a":2})");
  CHECK(patch(nullptr, "{a: 1}", "{a: 1}", "{a: 1, c: 3}") == "{}");
  CHECK(patch(nullptr, "{a: 1, b: 1}", "{a: 1}", "{a: 1}") == "{}");
  CHECK(patch(nullptr, "{m: {x: 1, y: 2}}", "{m: {x: 1, z: 3}}", "{m: {x: 1, y: 2, s: 9}}") ==
        R"({"m":{"y":null,"z":3}})");
  CHECK(patch(nullptr, "{}", "{l: [1, 2]}", "{l: [1]}") == R"({"l":[1,2]})");
}

TEST_CASE("three-way: lists with a merge key") {
  const auto* pod = type_of("", "Pod");
  REQUIRE(pod != nullptr);
  const char* original = "{spec: {containers: [{name: a, image: x}, {name: gone, image: y}]}}";
  const char* modified = "{spec: {containers: [{name: a, image: z}, {name: new, image: n}]}}";
  const char* current =
      "{spec: {containers: [{name: a, image: x, terminationMessagePath: /t}, {name: gone, image: y}, {name: "
      "injected, image: i}]}}";
  CHECK(
      patch(pod, original, modified, current) ==
      R"({"spec":{"$setElementOrder/containers":[{"name":"a"},{"name":"new"}],"containers":[{"image":"z","name":"a"},{"image":"n","name":"new"},{"$patch":"delete","name":"gone"}]}})");
  const auto result = api::apply_strategic_merge_patch(
      *pod, yaml(current), three_way_patch(pod, yaml(original), yaml(modified), yaml(current)));
  REQUIRE(result.ok());
  const auto& containers = api::list(*result, "spec.containers");
  REQUIRE(containers.size() == 3);
  CHECK(api::str(containers[0], "image") == "z");
  CHECK(api::str(containers[0], "terminationMessagePath") == "/t");
}

TEST_CASE("three-way: retainKeys and sets") {
  const auto* deployment = type_of("apps", "Deployment");
  REQUIRE(deployment != nullptr);
  CHECK(patch(deployment, "{spec: {strategy: {type: RollingUpdate}}}", "{spec: {strategy: {type: Recreate}}}",
              "{spec: {strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1}}}}") ==
        R"({"spec":{"strategy":{"$retainKeys":["type"],"type":"Recreate"}}})");
  CHECK(
      patch(type_of("", "Pod"), "{metadata: {finalizers: [a, b]}}", "{metadata: {finalizers: [b, c]}}",
            "{metadata: {finalizers: [a, b, x]}}") ==
      R"({"metadata":{"$deleteFromPrimitiveList/finalizers":["a"],"$setElementOrder/finalizers":["b","c"],"finalizers":["c"]}})");
}

TEST_CASE("the last applied manifest is remembered") {
  const auto manifest =
      yaml("{kind: ConfigMap, apiVersion: v1, metadata: {name: x}, data: {b: '1', a: '2'}}");
  CHECK(last_applied_text(manifest) ==
        "{\"apiVersion\":\"v1\",\"data\":{\"a\":\"2\",\"b\":\"1\"},\"kind\":\"ConfigMap\",\"metadata\":{"
        "\"annotations\":{},\"name\":\"x\"}}\n");
  const auto live = with_last_applied(manifest);
  CHECK(last_applied_text(live) == last_applied_text(manifest));
  CHECK(three_way_patch(nullptr, last_applied_of(live), live, live).as_object().empty());
}
