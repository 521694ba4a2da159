#include <catch2/catch.hpp>

#include <cstdlib>

#include "mk/base/files.h"
#include "mk/base/temp_dir.h"
#include "mk/pki/token.h"
#include "network_settings.h"
#include "server_files.h"

using namespace mk;

namespace {

constexpr std::int64_t kNow = 1'800'000'000, kDay = 86400;

node::Options options_in(const TempDir& dir) {
  node::Options options;
  options.data_dir = dir.path();
  return options;
}

}  // namespace

TEST_CASE("network settings follow from the ranges, and nonsense is refused with its flag") {
  node::Options options;
  const auto fine = node::check_network(options);
  REQUIRE(fine.ok());
  CHECK(fine->api_address == "10.43.0.1");
  CHECK(fine->cluster_dns == "10.43.0.10");
  CHECK(fine->node_port_first == 30000);
  for (const char* bad : {"10.42.0.0", "x/16", "10.42.0.0/99", ""}) {
    node::Options wrong;
    wrong.cluster_cidr = bad;
    CHECK(node::check_network(wrong).error().message().find("--cluster-cidr") != std::string::npos);
  }
  options.service_cidr = "10.42.128.0/20";
  CHECK(node::check_network(options).error().message().find("overlap") != std::string::npos);
  node::Options ports;
  ports.service_node_port_range = "40000-30000";
  CHECK(!node::check_network(ports).ok());
}

TEST_CASE("file modes are octal") {
  CHECK(node::parse_file_mode("600") == 0600u);
  CHECK(node::parse_file_mode("0644") == 0644u);
  CHECK(!node::parse_file_mode("698"));
  CHECK(!node::parse_file_mode(""));
}

TEST_CASE("a server's keys are made once and kept") {
  TempDir dir;
  const auto first = node::load_server_files(options_in(dir), {"localhost"}, {"127.0.0.1"}, kNow);
  REQUIRE(first.ok());
  const auto second = node::load_server_files(options_in(dir), {"localhost"}, {"127.0.0.1"}, kNow + kDay);
  REQUIRE(second.ok());
  CHECK(first->ca.certificate_pem == second->ca.certificate_pem);
  CHECK(first->serving.certificate_pem == second->serving.certificate_pem);
  CHECK(first->service_account_key == second->service_account_key);
  CHECK(first->token == second->token);
  const auto join = pki::parse_join_token(second->node_token());
  REQUIRE(join.ok());
  CHECK(join->password == second->agent_token);
  CHECK(join->ca_hash == pki::ca_hash(second->ca.certificate_pem));
}

TEST_CASE("a serving certificate is made anew for a new name and before it expires, by the same CA") {
  TempDir dir;
  const auto first = node::load_server_files(options_in(dir), {"localhost"}, {"127.0.0.1"}, kNow);
  const auto renamed = node::load_server_files(options_in(dir), {"localhost", "new"}, {"127.0.0.1"}, kNow);
  REQUIRE(renamed.ok());
  CHECK(renamed->serving.certificate_pem != first->serving.certificate_pem);
  CHECK(renamed->ca.certificate_pem == first->ca.certificate_pem);
  const auto later =
      node::load_server_files(options_in(dir), {"localhost", "new"}, {"127.0.0.1"}, kNow + 300 * kDay);
  REQUIRE(later.ok());
  CHECK(later->serving.certificate_pem != renamed->serving.certificate_pem);
}

TEST_CASE("a given token is taken in its short and its complete form") {
  TempDir dir;
  auto options = options_in(dir);
  options.token = "secret-secret";
  const auto files = node::load_server_files(options, {}, {}, kNow);
  REQUIRE(files.ok());
  CHECK(files->token == "secret-secret");
  options.token = files->node_token();
  CHECK(node::load_server_files(options, {}, {}, kNow)->token == "secret-secret");
}

TEST_CASE("a key that does not belong to its certificate is refused, not overwritten") {
  TempDir dir;
  REQUIRE(node::load_server_files(options_in(dir), {}, {}, kNow).ok());
  const auto other = pki::make_ca("other", kNow, kNow + kDay);
  REQUIRE(write_file(dir.path() + "/server/tls/ca.key", other.key_pem, 0600).ok());
  const auto result = node::load_server_files(options_in(dir), {}, {}, kNow);
  REQUIRE(!result.ok());
  CHECK(result.error().message().find("do not belong together") != std::string::npos);
}
