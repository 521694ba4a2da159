#include <catch2/catch.hpp>

#include "mk/api/patch.h"

using namespace mk;
using namespace mk::api;

namespace {
Json json(std::string_view text) {
  auto parsed = parse_json(text);
  REQUIRE(parsed.ok());
  return std::move(parsed).value();
}
std::string patched(std::string_view api_version, std::string_view kind, const char* document,
                    const char* patch) {
  const auto* type = builtin_schema().type(parse_gvk(api_version, kind));
  REQUIRE(type != nullptr);
  const auto result = apply_strategic_merge_patch(*type, json(document), json(patch));
  return result.ok() ? to_json(*result) : "error: " + result.error().message();
}
std::string pod(const char* document, const char* patch) {
  return patched("v1", "Pod", document, patch);
}
}  // namespace

TEST_CASE("strategic merge: maps and lists by merge key") {
  CHECK(
      pod(R"({"spec":{"containers":[{"name":"a","image":"1"},{"name":"b","image":"2"}]}})",
          R"({"spec":{"containers":[{"name":"b","image":"3"},{"name":"c","image":"4"}]}})") ==
      R"({"spec":{"containers":[{"name":"a","image":"1"},{"name":"b","image":"3"},{"name":"c","image":"4"}]}})");
  CHECK(
      pod(R"({"spec":{"containers":[{"name":"a","env":[{"name":"x","value":"1"}],"args":["1","2"]}]}})",
          R"({"spec":{"containers":[{"name":"a","env":[{"name":"y","value":"2"}],"args":["3"]}]}})") ==
      R"({"spec":{"containers":[{"name":"a","env":[{"name":"y","value":"2"},{"name":"x","value":"1"}],"args":["3"]}]}})");
  CHECK(
      pod(R"({"metadata":{"labels":{"a":"1","b":"2"}}})", R"({"metadata":{"labels":{"a":null,"c":"3"}}})") ==
      R"({"metadata":{"labels":{"b":"2","c":"3"}}})");
  CHECK(patched("v1", "Service", R"({"spec":{"ports":[{"port":80,"nodePort":1},{"port":443}]}})",
                R"({"spec":{"ports":[{"port":80,"name":"w"}]}})") ==
        R"({"spec":{"ports":[{"port":80,"nodePort":1,"name":"w"},{"port":443}]}})");
}

TEST_CASE("strategic merge: directives") {
  CHECK(pod(R"({"spec":{"containers":[{"name":"a"},{"name":"b"}]}})",
            R"({"spec":{"containers":[{"name":"a","$patch":"delete"}]}})") ==
        R"({"spec":{"containers":[{"name":"b"}]}})");
  CHECK(pod(R"({"spec":{"containers":[{"name":"a"},{"name":"b"}]}})",
            R"({"spec":{"containers":[{"name":"z"},{"$patch":"replace"}]}})") ==
        R"({"spec":{"containers":[{"name":"z"}]}})");
  CHECK(pod(R"({"spec":{"nodeSelector":{"a":"1"},"nodeName":"n"}})",
            R"({"spec":{"nodeSelector":{"$patch":"replace","b":"2"}}})") ==
        R"({"spec":{"nodeSelector":{"b":"2"},"nodeName":"n"}})");
  CHECK(pod(R"({"spec":{"nodeSelector":{"a":"1"}}})", R"({"spec":{"nodeSelector":{"$patch":"delete"}}})") ==
        R"({"spec":{"nodeSelector":{}}})");
  CHECK(pod(R"({"metadata":{"finalizers":["a","b","c"]}})",
            R"({"metadata":{"$deleteFromPrimitiveList/finalizers":["b"]}})") ==
        R"({"metadata":{"finalizers":["a","c"]}})");
  CHECK(pod(R"({"metadata":{"finalizers":["a"]}})", R"({"metadata":{"finalizers":["a","b"]}})") ==
        R"({"metadata":{"finalizers":["a","b"]}})");
  CHECK(patched("apps/v1", "Deployment",
                R"({"spec":{"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":1}}}})",
                R"({"spec":{"strategy":{"$retainKeys":["type"],"type":"Recreate"}}})") ==
        R"({"spec":{"strategy":{"type":"Recreate"}}})");
  CHECK(
      pod(R"({"spec":{"volumes":[{"name":"v","emptyDir":{}}]}})",
          R"({"spec":{"volumes":[{"name":"v","$retainKeys":["name","hostPath"],"hostPath":{"path":"/x"}}]}})") ==
      R"({"spec":{"volumes":[{"name":"v","hostPath":{"path":"/x"}}]}})");
}

TEST_CASE("strategic merge: element order") {
  CHECK(
      pod(R"({"spec":{"containers":[{"name":"a"},{"name":"s"},{"name":"b"}]}})",
          R"({"spec":{"$setElementOrder/containers":[{"name":"b"},{"name":"a"}],"containers":[{"name":"b","image":"x"}]}})") ==
      R"({"spec":{"containers":[{"name":"s"},{"name":"b","image":"x"},{"name":"a"}]}})");
  CHECK(
      pod(R"({"spec":{"containers":[{"name":"a"}]}})",
          R"({"spec":{"$setElementOrder/containers":[{"name":"n"},{"name":"a"}],"containers":[{"name":"n"}]}})") ==
      R"({"spec":{"containers":[{"name":"n"},{"name":"a"}]}})");
}

TEST_CASE("strategic merge: what the patch brings stands before what only the server knows") {
  CHECK(pod(R"({"spec":{"containers":[{"name":"a"}]}})", R"({"spec":{"containers":[{"name":"n"}]}})") ==
        R"({"spec":{"containers":[{"name":"n"},{"name":"a"}]}})");
  CHECK(pod(R"({"spec":{"containers":[{"name":"a"},{"name":"b"},{"name":"c"}]}})",
            R"({"spec":{"containers":[{"name":"b","image":"x"}]}})") ==
        R"({"spec":{"containers":[{"name":"a"},{"name":"b","image":"x"},{"name":"c"}]}})");
  CHECK(pod(R"({"metadata":{"finalizers":["a","b"]}})", R"({"metadata":{"finalizers":["n"]}})") ==
        R"({"metadata":{"finalizers":["n","a","b"]}})");
}

TEST_CASE("strategic merge: errors and directives without a target") {
  CHECK(pod(R"({"spec":{"containers":[{"name":"a"}]}})", R"({"spec":{"containers":[{"image":"x"}]}})")
            .find("does not contain declared merge key: name") != std::string::npos);
  CHECK(pod("{}", R"({"spec":{"$patch":"explode"}})").find("unknown patch type") != std::string::npos);
  CHECK(pod("{}", R"([])").find("error") == 0);
  CHECK(
      pod("{}",
          R"({"spec":{"nodeSelector":{"$patch":"replace","a":"1","b":null},"containers":[{"name":"x","$patch":"delete"},{"name":"y"}]}})") ==
      R"({"spec":{"nodeSelector":{"a":"1"},"containers":[{"name":"y"}]}})");
}
