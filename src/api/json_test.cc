#include "mk/api/json.h"

#include <catch2/catch.hpp>

#include "mk/api/object.h"

using namespace mk;
using namespace mk::api;

namespace {
Json json(std::string_view text) {
  auto parsed = parse_json(text);
  REQUIRE(parsed.ok());
  return std::move(parsed).value();
}
Json yaml(std::string_view text) {
  auto parsed = parse_yaml(text);
  INFO((parsed.ok() ? "" : parsed.error().message()));
  REQUIRE(parsed.ok());
  return std::move(parsed).value();
}
}  // namespace

TEST_CASE("leaf readers never throw and fall back") {
  const Json pod =
      json(R"({"metadata":{"name":"a","labels":{"x.y/z":"1"}},"spec":{"n":3,"b":true,"nil":null,"l":[1]}})");
  CHECK(str(pod, "metadata.name") == "a");
  CHECK(str(pod, "metadata.name.more", "none") == "none");
  CHECK(num(pod, "spec.n") == 3);
  CHECK(num(pod, "metadata.name", 7) == 7);
  CHECK(flag(pod, "spec.b"));
  CHECK(find(pod, "spec.nil") == nullptr);
  CHECK(list(pod, "spec.l").size() == 1);
  CHECK(list(pod, "spec.n").empty());
  CHECK(object(pod, "metadata.labels").size() == 1);
  CHECK(member(*find(pod, "metadata.labels"), "x.y/z") != nullptr);
  CHECK(find(Json(), "a.b") == nullptr);
}

TEST_CASE("set makes objects on the way and erase is quiet") {
  Json root;
  set(root, "a.b.c", 1);
  CHECK(to_json(root) == R"({"a":{"b":{"c":1}}})");
  erase(root, "a.x.y");
  erase(root, "a.b.c");
  CHECK(to_json(root) == R"({"a":{"b":{}}})");
}

TEST_CASE("JSON text: limits, duplicates, garbage, numbers") {
  CHECK(to_json(json(R"({"a":1,"a":2})")) == R"({"a":2})");
  CHECK(!parse_json("{} x").ok());
  CHECK(!parse_json("{").ok());
  CHECK(!parse_json("").ok());
  CHECK(parse_json(" {} \n").ok());
  CHECK(parse_json("{\n \"a\": x}").error().message().find("line 2") != std::string::npos);
  CHECK(!parse_json(std::string(300, '[') + std::string(300, ']'), 200).ok());
  CHECK(parse_json(std::string(900, '[') + std::string(900, ']')).ok());
  CHECK(!parse_json(std::string(100000, '[')).ok());
  CHECK(to_json(json("[1.5, 0.1, 1e3, -0.25, 1e30, 12345678901234567890]")) ==
        "[1.5,0.1,1000,-0.25,1e+30,12345678901234567890]");
  CHECK(to_json(Json("a\"\\\n\x01z")) == "\"a\\\"\\\\\\n\\u0001z\"");
  CHECK(to_pretty_json(json(R"({"a":[1,{}]})")) == "{\n    \"a\": [\n        1,\n        {}\n    ]\n}\n");
}

TEST_CASE("YAML scalars mean what Kubernetes reads") {
  const auto value = yaml(
      "a: yes\nb: true\nc: 0777\nd: 0o17\ne: 0x1F\nf: 1e3\ng: ~\nh:\ni: \"12\"\nj: '1'\nk: 1_000\nl: "
      "2026-01-02T03:04:05Z\n"
      "m: -5\nn: .5\no: 1.2.3\np: !!str 5\n8080: x\ntrue: y\nq: -x\nr: 08\ns: on\n");
  CHECK(
      to_json(value) ==
      R"({"a":"yes","b":true,"c":511,"d":15,"e":31,"f":1000,"g":null,"h":null,"i":"12","j":"1","k":1000,)"
      R"("l":"2026-01-02T03:04:05Z","m":-5,"n":0.5,"o":"1.2.3","p":"5","8080":"x","true":"y","q":"-x","r":8,"s":"on"})");
}

TEST_CASE("YAML structure: anchors, merge keys, documents, blocks") {
  CHECK(to_json(yaml("base: &b {x: 1, y: 2}\nuse:\n  <<: *b\n  y: 3\n")) ==
        R"({"base":{"x":1,"y":2},"use":{"y":3,"x":1}})");
  const auto documents = parse_yaml_documents("---\na: 1\n---\n# nothing\n---\nb: |\n  x\n  y\n...\n");
  REQUIRE(documents.ok());
  REQUIRE(documents->size() == 2);
  CHECK(to_json((*documents)[1]) == R"({"b":"x\ny\n"})");
  CHECK(to_json(yaml(R"({"json": ["is", "yaml"]})")) == R"({"json":["is","yaml"]})");
  CHECK(yaml("").is_null());
}

TEST_CASE("YAML that must be refused") {
  std::string bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 10; ++i) {
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int j = 0; j < 10; ++j) bomb += (j ? "," : "") + std::string("*a") + std::to_string(i - 1);
    bomb += "]\n";
  }
  CHECK(parse_yaml(bomb).error().message().find("excessive aliasing") != std::string::npos);
  CHECK(!parse_yaml(std::string(5000, '[')).ok());
  CHECK(!parse_yaml("a: b: c").ok());
  CHECK(!parse_yaml("? {a: 1}\n: x\n").ok());
  CHECK(!parse_yaml("a: &x [*x]").ok());
  CHECK(parse_yaml("a: 1\nb: [1, 2").error().message().find("yaml: line ") == 0);
}

TEST_CASE("YAML output reads like kubectl's") {
  const auto value = json(
      R"({"apiVersion":"v1","metadata":{"labels":{"a":"true","b":"1","c":"x"},"empty":{},"none":[]},)"
      R"("list":[{"name":"x","args":["a","- b"]},[1,2],"s"],"text":"one\ntwo\n","cut":"one\ntwo","e":"","star":"*","colon":"a: b",)"
      R"("date":"2026-01-02","n":null,"f":1.5,"hash":"a #b","bang":"#b","yes":"yes","t":"2026-01-02T03:04:05Z","img":"nginx:1.2"})");
  const std::string expected =
      "apiVersion: v1\nmetadata:\n  labels:\n    a: \"true\"\n    b: \"1\"\n    c: x\n  empty: {}\n  none: "
      "[]\n"
      "list:\n- name: x\n  args:\n  - a\n  - '- b'\n- - 1\n  - 2\n- s\n"
      "text: |\n  one\n  two\ncut: |-\n  one\n  two\ne: \"\"\nstar: '*'\ncolon: 'a: b'\n"
      "date: \"2026-01-02\"\n\"n\": null\nf: 1.5\nhash: 'a #b'\nbang: '#b'\n\"yes\": \"yes\"\nt: "
      "\"2026-01-02T03:04:05Z\"\nimg: nginx:1.2\n";
  CHECK(to_yaml(value) == expected);
}

TEST_CASE("YAML output reads back as the same value") {
  for (const char* text : {"",         " lead",  "trail ",
                           "a\n\nb\n", "a\n\n",  "\n",
                           "x:",       "- x",    "?",
                           "a\tb",     "\x01",   "'q'",
                           "\"",       "{}",     "null",
                           "~",        "0x1",    "1:30",
                           "---",      "é",      "a\n  indented\n",
                           "  a\nb",   "!x",     "&a",
                           "%",        "=",      "<<",
                           "\r\n",     "key: |", "\xEF\xBB\xBF--- ,]"}) {
    INFO("text: " << text);
    const Json value = JsonObject{{"k", text}, {"l", JsonArray{Json(text), JsonObject{{text, text}}}}};
    INFO(to_yaml(value));
    CHECK(yaml(to_yaml(value)) == value);
  }
}

TEST_CASE("an object is bytes or JSON, each made from the other") {
  const Object from_bytes(SharedBytes(
      R"({"kind":"Pod","metadata":{"name":"p","namespace":"n","labels":{"a.b/c":"d"},"deletionTimestamp":"x"}})"));
  CHECK(from_bytes.name() == "p");
  CHECK(from_bytes.key().str() == "n/p");
  CHECK(from_bytes.label("a.b/c") == "d");
  CHECK(from_bytes.deleting());
  const auto changed = from_bytes.with([](Json& j) { set(j, "metadata.name", "q"); });
  CHECK(changed.name() == "q");
  CHECK(from_bytes.name() == "p");
  CHECK(changed.bytes().view().find("\"q\"") != std::string_view::npos);
  CHECK(!Object());
  CHECK(Object().name().empty());
  const Object owned(Json(
      JsonObject{{"metadata", JsonObject{{"ownerReferences", JsonArray{owner_reference(from_bytes)}}}}}));
  REQUIRE(controller_of(owned) != nullptr);
  CHECK(str(*controller_of(owned), "name") == "p");
}

TEST_CASE("YAML: text without a node is refused, not read forever") {
  for (const char* text : {",", "]", "}", ",\xc3\xa4", "a: 1\n---\n,"}) {
    INFO(text);
    CHECK_FALSE(parse_yaml_documents(text).ok());
  }
  const auto documents = parse_yaml_documents("---\n---\na: 1\n...\n---\nb: 2\n---\n");
  REQUIRE(documents.ok());
  CHECK(documents->size() == 2);
}
