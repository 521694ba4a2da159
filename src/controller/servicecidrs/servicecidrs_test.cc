#include "kit/test_world.h"
#include "servicecidrs/servicecidrs_controller.h"

using namespace mk;
using namespace mk::controller;
using namespace mk::controller::testing;

namespace {

const api::Gvr kServiceCidrs{"networking.k8s.io", "v1", "servicecidrs"},
    kIpAddresses{"networking.k8s.io", "v1", "ipaddresses"};

api::Object object(const std::string& text) {
  return api::Object(api::parse_yaml(text).value());
}

api::Object range(const std::string& name, const std::string& cidrs) {
  return object("{apiVersion: networking.k8s.io/v1, kind: ServiceCIDR, metadata: {name: " + name +
                ", uid: " + name + "}, spec: {cidrs: [" + cidrs + "]}}");
}

api::Object address(const std::string& name) {
  return object("{apiVersion: networking.k8s.io/v1, kind: IPAddress, metadata: {name: '" + name + "'}}");
}

}  // namespace

TEST_CASE("addresses that a range alone contains hold it") {
  const auto going = range("a", "10.0.0.0/24, 'fd00::/120'");
  CHECK_FALSE(orphaned_address(going, {going}, {}));
  CHECK_FALSE(orphaned_address(going, {going}, {address("10.0.1.1")}));
  CHECK(orphaned_address(going, {going}, {address("10.0.1.1"), address("10.0.0.9")}).name() == "10.0.0.9");
  CHECK(orphaned_address(going, {going}, {address("fd00::1")}).name() == "fd00::1");
  CHECK_FALSE(orphaned_address(going, {going, range("b", "10.0.0.0/16")}, {address("10.0.0.9")}));
}

TEST_CASE("a ServiceCIDR is ready, and goes with the last address of it") {
  World world;
  world.server.put(kServiceCidrs, range("a", "10.0.0.0/24").json());
  world.settle();
  const api::Key key("", "a");
  CHECK(condition(world.server.find(kServiceCidrs, key), "Ready", "status") == "True");
  world.server.put(kIpAddresses, address("10.0.0.1").json());
  const auto remove = [](client::Client& client, api::Gvr gvr, api::Key key) -> rt::Task<> {
    auto done = co_await client.remove(gvr, key, client::DeleteOptions());
    CHECK(done.ok());
  };
  world.group.spawn("remove", remove(world.server, kServiceCidrs, key));
  world.settle();
  CHECK(condition(world.server.find(kServiceCidrs, key), "Ready", "status") == "False");
  CHECK(condition(world.server.find(kServiceCidrs, key), "Ready") == "Terminating");
  world.server.erase(kIpAddresses, api::Key("", "10.0.0.1"));
  world.settle();
  CHECK_FALSE(world.server.find(kServiceCidrs, key));
}
