#include <catch2/catch.hpp>

#include "cli/duration.h"
#include "cli/flags.h"
#include "commands/wait_condition.h"

using namespace mk;
using namespace mk::kubectl;

namespace {

struct Given {
  std::string ns, output, dry_run = "none";
  bool input = false, tty = false;
  std::vector<std::string> files, literals;
  std::int64_t tail = -1;
  Flags flags;
  Given() {
    flags.text("namespace", 'n', ns)
        .text("output", 'o', output)
        .boolean("stdin", 'i', input)
        .boolean("tty", 't', tty);
    flags.list("filename", 'f', files)
        .array("from-literal", 0, literals)
        .number("tail", 0, tail)
        .optional_text("dry-run", 0, dry_run, "unchanged");
  }
};

}  // namespace

TEST_CASE("flags are read as kubectl reads them") {
  Given given;
  const auto parsed =
      given.flags.parse({"-n", "x", "pods", "-ojson", "-it", "--tail=5", "-f", "a,b", "--filename=c",
                         "--from-literal", "k=a,b", "name", "--", "-z", "--q"});
  REQUIRE(parsed.ok());
  CHECK((given.ns == "x" && given.output == "json" && given.input && given.tty && given.tail == 5));
  CHECK(given.files == std::vector<std::string>{"a", "b", "c"});
  CHECK(given.literals == std::vector<std::string>{"k=a,b"});
  CHECK(parsed->positional == std::vector<std::string>{"pods", "name", "-z", "--q"});
  CHECK(parsed->dash == 2);
}

TEST_CASE("flags whose value may be missing") {
  Given given;
  REQUIRE(given.flags.parse({"--dry-run", "client"}).ok());
  CHECK(given.dry_run == "unchanged");
  REQUIRE(given.flags.parse({"--dry-run=server", "--tty=false", "-o=yaml"}).ok());
  CHECK((given.dry_run == "server" && !given.tty && given.output == "yaml"));
}

TEST_CASE("wrong flags are named") {
  const auto error = [](std::vector<std::string> arguments) {
    return Given().flags.parse(arguments).error().message();
  };
  CHECK(error({"--nope"}) == "unknown flag: --nope");
  CHECK(error({"-z"}) == "unknown shorthand flag: 'z' in -z");
  CHECK(error({"--output"}) == "flag needs an argument: --output");
  CHECK(error({"-n"}) == "flag needs an argument: 'n' in -n");
  CHECK(error({"--tail=x"}) ==
        "invalid argument \"x\" for \"--tail\" flag: strconv.ParseInt: parsing \"x\": invalid syntax");
}

TEST_CASE("durations") {
  CHECK(parse_duration("1m30s").value() == std::chrono::seconds(90));
  CHECK(parse_duration("1.5h").value() == std::chrono::minutes(90));
  CHECK(parse_duration("250ms").value() == std::chrono::milliseconds(250));
  CHECK(parse_duration("10").value() == std::chrono::seconds(10));
  CHECK(parse_duration("-1s").value() == std::chrono::seconds(-1));
  CHECK(!parse_duration("5 parsecs").ok());
  CHECK(duration_text(3723) == "1h2m3s");
}

TEST_CASE("conditions to wait for") {
  const auto object =
      api::parse_json(
          R"({"metadata":{"generation":2},"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"},
      {"type":"Old","status":"True","observedGeneration":1}]}})")
          .value();
  const auto holds = [&](const std::string& text) {
    return WaitCondition::parse(text).value().holds(object).value();
  };
  CHECK((holds("condition=Ready") && holds("condition=ready=true") && !holds("condition=Ready=False") &&
         !holds("condition=Old")));
  CHECK((holds("jsonpath={.status.phase}=Running") && !holds("jsonpath={.status.phase}=Failed") &&
         holds("jsonpath={.status.phase}") && !holds("jsonpath={.status.x}")));
  CHECK(holds("jsonpath=.status.phase=Running"));
  CHECK(holds("jsonpath={.status.conditions[?(@.type==\"Ready\")].status}=True"));
  CHECK(!WaitCondition::parse("sunshine").ok());
}
