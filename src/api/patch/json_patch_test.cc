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
std::string json_patch(const char* document, const char* patch) {
  const auto result = apply_json_patch(json(document), json(patch));
  return result.ok() ? to_json(*result) : "error: " + result.error().message();
}
}  // namespace

TEST_CASE("RFC 6902") {
  const struct {
    const char *document, *patch, *result;
  } table[] = {
      {R"({"a":1})", R"([{"op":"add","path":"/b","value":2}])", R"({"a":1,"b":2})"},
      {R"({"a":[1,3]})", R"([{"op":"add","path":"/a/1","value":2}])", R"({"a":[1,2,3]})"},
      {R"({"a":[1]})", R"([{"op":"add","path":"/a/-","value":2}])", R"({"a":[1,2]})"},
      {R"({"a":1,"b":2})", R"([{"op":"remove","path":"/a"}])", R"({"b":2})"},
      {R"({"a":[1,2]})", R"([{"op":"remove","path":"/a/0"}])", R"({"a":[2]})"},
      {R"({"a":1})", R"([{"op":"replace","path":"/a","value":{"x":1}}])", R"({"a":{"x":1}})"},
      {R"({"a":{"x":1}})", R"([{"op":"move","from":"/a/x","path":"/b"}])", R"({"a":{},"b":1})"},
      {R"({"a":{"x":1}})", R"([{"op":"copy","from":"/a","path":"/b"}])", R"({"a":{"x":1},"b":{"x":1}})"},
      {R"({"a/b":1,"c~d":2})", R"([{"op":"test","path":"/a~1b","value":1},{"op":"remove","path":"/c~0d"}])",
       R"({"a/b":1})"},
      {R"({"a":1})", R"([{"op":"test","path":"/x","value":null}])", R"({"a":1})"},
      {R"({"a":1})", R"([{"op":"add","path":"","value":{"z":1}}])", R"({"z":1})"},
  };
  for (const auto& row : table) {
    INFO(row.patch);
    CHECK(json_patch(row.document, row.patch) == row.result);
  }
  for (const char* patch :
       {R"([{"op":"test","path":"/a","value":2}])", R"([{"op":"remove","path":"/x"}])",
        R"([{"op":"replace","path":"/x","value":1}])", R"([{"op":"add","path":"/x/y","value":1}])",
        R"([{"op":"add","path":"/l/5","value":1}])", R"([{"op":"add","path":"/l/01","value":1}])",
        R"([{"op":"move","from":"/o","path":"/o/p"}])", R"([{"op":"spin","path":"/a"}])",
        R"([{"op":"add","path":"/a"}])", R"([1])", R"({})", R"([{"op":"remove","path":"a"}])",
        R"([{"op":"remove","path":""}])", R"([{"op":"remove"}])"}) {
    INFO(patch);
    CHECK(json_patch(R"({"a":1,"l":[1],"o":{}})", patch).find("error: ") == 0);
  }
  CHECK(json_patch(R"({"a":1})", R"([{"op":"replace","path":"/b","value":1}])") ==
        "error: replace operation does not apply: doc is missing path: \"/b\": missing value");
}

TEST_CASE("a JSON patch cannot grow a document without bound") {
  JsonArray operations;
  for (int i = 0; i < 60; ++i)
    operations.push_back(JsonObject{{"op", "copy"}, {"from", "/a"}, {"path", "/a/-"}});
  const auto doubled = apply_json_patch(json(R"({"a":["xxxxxxxxxxxxxxxxxxxxxxxxxx"]})"), operations);
  REQUIRE(!doubled.ok());
  CHECK(doubled.error().is(Reason::kRequestEntityTooLarge));
  operations.clear();
  for (int i = 0; i < 10001; ++i)
    operations.push_back(JsonObject{{"op", "test"}, {"path", "/a"}, {"value", 1}});
  CHECK(!apply_json_patch(json(R"({"a":1})"), operations).ok());
}

TEST_CASE("a JSON patch cannot nest a document deeper than one that is parsed") {
  const std::string deep = std::string(900, '[') + "1" + std::string(900, ']');
  std::string path;
  JsonArray operations{JsonObject{{"op", "add"}, {"path", "/a"}, {"value", json(deep)}}};
  CHECK(apply_json_patch(json("{}"), operations).ok());
  for (int i = 0; i < 899; ++i) path += "/0";
  operations.push_back(JsonObject{{"op", "add"}, {"path", "/a" + path}, {"value", json(deep)}});
  CHECK_FALSE(apply_json_patch(json("{}"), operations).ok());
  operations.back() = JsonObject{{"op", "copy"}, {"from", "/a"}, {"path", "/a" + path}};
  CHECK_FALSE(apply_json_patch(json("{}"), operations).ok());
  operations.back() = JsonObject{{"op", "replace"}, {"path", "/a" + path + "/0"}, {"value", json(deep)}};
  CHECK_FALSE(apply_json_patch(json("{}"), operations).ok());
}

TEST_CASE("RFC 7386") {
  const struct {
    const char *document, *patch, *result;
  } table[] = {{R"({"a":"b"})", R"({"a":"c"})", R"({"a":"c"})"},
               {R"({"a":"b"})", R"({"b":"c"})", R"({"a":"b","b":"c"})"},
               {R"({"a":"b"})", R"({"a":null})", R"({})"},
               {R"({"a":["b"]})", R"({"a":"c"})", R"({"a":"c"})"},
               {R"({"a":{"b":"c"}})", R"({"a":{"b":"d","c":null}})", R"({"a":{"b":"d"}})"},
               {R"({"a":[{"b":"c"}]})", R"({"a":[1]})", R"({"a":[1]})"},
               {R"({})", R"({"a":{"bb":{"ccc":null}}})", R"({"a":{"bb":{}}})"},
               {R"({"e":null})", R"({"a":1})", R"({"e":null,"a":1})"}};
  for (const auto& row : table) {
    INFO(row.patch);
    CHECK(to_json(apply_merge_patch(json(row.document), json(row.patch)).value()) == row.result);
  }
  CHECK(!apply_merge_patch(json("{}"), json("[]")).ok());
}
