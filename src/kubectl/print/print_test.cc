#include <catch2/catch.hpp>
#include <sstream>

#include "print/jsonpath.h"
#include "print/object_printer.h"
#include "print/tab_writer.h"

using namespace mk;
using namespace mk::kubectl;

namespace {

api::Json document(std::string_view text) {
  return api::parse_json(text).value();
}

const char* kPods = R"({"kind":"List","apiVersion":"v1","items":[
  {"kind":"Pod","apiVersion":"v1","metadata":{"name":"a","labels":{"x.io/y":"1"}},"status":{"n":3,"conditions":[{"type":"Ready","status":"True"},{"type":"Other","status":"False"}]}},
  {"kind":"Pod","apiVersion":"v1","metadata":{"name":"b"},"status":{"n":7,"conditions":[{"type":"Ready","status":"False"}]}}]})";

std::string print(std::string_view path) {
  const auto parsed = JsonPath::parse(path);
  if (!parsed.ok()) return "!" + parsed.error().message();
  const auto text = parsed->print(document(kPods));
  return text.ok() ? *text : "!" + text.error().message();
}

}  // namespace

TEST_CASE("jsonpath templates") {
  CHECK(print("{.items[0].metadata.name}") == "a");
  CHECK(print("{.items[*].metadata.name}") == "a b");
  CHECK(print("{.items[-1:].metadata.name}") == "b");
  CHECK(print("{.items[-1].metadata.name}") == "b");
  CHECK(print("{range .items[*]}{.metadata.name}{\"\\t\"}{.status.n}{\"\\n\"}{end}") == "a\t3\nb\t7\n");
  CHECK(print("{.items[?(@.metadata.name==\"b\")].status.n}") == "7");
  CHECK(print("{.items[?(@.status.n>3)].metadata.name}") == "b");
  CHECK(print("{.items[0].status.conditions[?(@.type=='Ready')].status}") == "True");
  CHECK(print("{.items[0].metadata.labels.x\\.io/y}") == "1");
  CHECK(print("{.items[0].metadata.labels['x\\.io/y']}") == "1");
  CHECK(print("{..name}") == "a b");
  CHECK(print("{.items[0]['metadata','status']['name','n']}") == "a 3");
  CHECK(print("names: {.items[0].metadata}") == R"(names: {"name":"a","labels":{"x.io/y":"1"}})");
  CHECK(print("{.nothing.here}").empty());
  CHECK(print("{$.kind}") == "List");
  CHECK(print("{.items[5]}") == "!array index out of bounds: index 5, length 2");
  CHECK(print("{.a") == "!error parsing jsonpath {.a, unclosed action");
  CHECK(print("{range .items[*]}x").find("unterminated range") != std::string::npos);
  CHECK(print("{end}").find("not in range") != std::string::npos);
}

TEST_CASE("columns line up, and remember their widths") {
  std::ostringstream out;
  TabWriter table;
  table.row({"NAME", "READY", "AGE"});
  table.row({"a-long-name", "1/1", "5m"});
  table.flush(out);
  table.row({"b", "0/1", "1s"});
  table.flush(out);
  CHECK(out.str() == "NAME          READY   AGE\na-long-name   1/1     5m\nb             0/1     1s\n");
}

TEST_CASE("tabs are elastic") {
  CHECK(align_tabs("Name:\tx\nNamespace:\ty\nplain\nA:\tb\n", 0, 2) ==
        "Name:       x\nNamespace:  y\nplain\nA:  b\n");
  CHECK(align_tabs("a\tbb\tc\nlong\td\te\n", 0, 2) == "a     bb  c\nlong  d   e\n");
}

TEST_CASE("object printers") {
  const auto show = [](const std::string& output) {
    PrinterOptions options;
    options.output = output;
    auto printer = make_printer(options);
    if (!printer.ok()) return "!" + printer.error().message();
    std::ostringstream out;
    const auto done = (*printer)->print(document(kPods), out);
    return done.ok() ? out.str() : "!" + done.error().message();
  };
  CHECK(show("name") == "pod/a\npod/b\n");
  CHECK(show("custom-columns=NAME:.metadata.name,N:.status.n,X:.spec.x") ==
        "NAME   N     X\na      3     <none>\nb      7     <none>\n");
  CHECK(show("jsonpath={.kind}") == "List");
  CHECK(show("toml").find("unable to match a printer") != std::string::npos);
  PrinterOptions yaml;
  yaml.output = "yaml";
  std::ostringstream out;
  REQUIRE(
      make_printer(yaml)
          .value()
          ->print(document(R"({"kind":"K","apiVersion":"v1","metadata":{"name":"nn","managedFields":[1]}})"),
                  out)
          .ok());
  CHECK(out.str() == "apiVersion: v1\nkind: K\nmetadata:\n  name: nn\n");
}
