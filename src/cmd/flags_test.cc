#include <catch2/catch.hpp>

#include <cstdlib>

#include "mk/base/files.h"
#include "mk/base/temp_dir.h"
#include "mk/cmd/flags.h"
#include "node_flags.h"

using namespace mk;

namespace {

struct Settings {
  std::string data_dir = "/default";
  int port = 6443;
  bool debug = false;
  std::vector<std::string> labels;
  cmd::FlagSet flags;

  Settings() {
    flags.text("data-dir", data_dir, "")
        .number("https-listen-port", port, "")
        .boolean("debug", debug, "")
        .list("node-label", labels, "")
        .alias("-d", "data-dir");
  }
  Result<void> arguments(std::vector<std::string> given) {
    std::vector<std::string> positional;
    return flags.read_arguments(given, positional);
  }
};

}  // namespace

TEST_CASE("flags take their value behind a blank or an equals sign, switches need none") {
  Settings s;
  REQUIRE(s.arguments({"--data-dir", "/a", "--https-listen-port=7000", "--debug"}).ok());
  CHECK(s.data_dir == "/a");
  CHECK(s.port == 7000);
  CHECK(s.debug);
  REQUIRE(s.arguments({"-d", "/b", "--debug=false"}).ok());
  CHECK(s.data_dir == "/b");
  CHECK(!s.debug);
}

TEST_CASE("a bad flag is refused with its name") {
  Settings s;
  CHECK(s.arguments({"--nonsense"}).error().message().find("--nonsense") != std::string::npos);
  CHECK(s.arguments({"--https-listen-port", "x"}).error().message().find("needs a number") !=
        std::string::npos);
  CHECK(s.arguments({"--data-dir"}).error().message().find("needs a value") != std::string::npos);
  CHECK(s.arguments({"--debug=maybe"}).error().message().find("true or false") != std::string::npos);
}

TEST_CASE("the file is weaker than the environment, and that than the command line") {
  TempDir dir;
  const std::string file = dir.path() + "/config.yaml";
  REQUIRE(
      write_file(file, "data-dir: /file\nhttps-listen-port: 1\nnode-label: [a=1]\nunknown-key: 5\n").ok());
  REQUIRE(make_dirs(file + ".d").ok());
  REQUIRE(write_file(file + ".d/10.yaml", "https-listen-port: 2\nnode-label+:\n- b=2\n").ok());
  REQUIRE(write_file(file + ".d/20.txt", "https-listen-port: 3\n").ok());
  Settings s;
  REQUIRE(s.flags.read_config(file).ok());
  CHECK(s.port == 2);
  CHECK(s.labels == std::vector<std::string>{"a=1", "b=2"});
  ::setenv("MK_DATA_DIR", "/environment", 1);
  REQUIRE(s.flags.read_environment().ok());
  ::unsetenv("MK_DATA_DIR");
  CHECK(s.data_dir == "/environment");
  REQUIRE(s.arguments({"--node-label", "c=3,d=4", "--node-label", "e=5"}).ok());
  CHECK(s.labels == std::vector<std::string>{"c=3", "d=4", "e=5"});
}

TEST_CASE("a config file that is no map of settings is refused with its path") {
  TempDir dir;
  const std::string file = dir.path() + "/config.yaml";
  for (const char* text : {"[1, 2]", "data-dir: {a: b}", "a: [", "debug: 7"}) {
    REQUIRE(write_file(file, text).ok());
    Settings s;
    const auto read = s.flags.read_config(file);
    REQUIRE(!read.ok());
    CHECK(read.error().message().find(file) != std::string::npos);
  }
}

TEST_CASE("a token may come from a file") {
  TempDir dir;
  REQUIRE(write_file(dir.path() + "/token", "secret\n").ok());
  cmd::NodeFlags flags;
  REQUIRE(flags
              .read({"--config", dir.path() + "/none.yaml", "--token-file", dir.path() + "/token", "--server",
                     "https://a:1"})
              .ok());
  CHECK(flags.options().token == "secret");
  CHECK(flags.options().join == "https://a:1");
}
