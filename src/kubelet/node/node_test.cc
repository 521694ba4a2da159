#include <catch2/catch.hpp>

#include "mk/base/files.h"
#include "mk/client/fake_client.h"
#include "node/node_agent.h"
#include "node/node_object.h"
#include "pods/events.h"
#include "testing/fake_mounter.h"
#include "testing/fake_runtime.h"
#include "volumes/object_watcher.h"

#include <unistd.h>

using namespace mk;
using namespace mk::kubelet;
using namespace std::chrono_literals;

namespace {

namespace res = api::resources;

struct AgentTest {
  AgentTest() {
    options.node_name = "n1";
    options.node_ip = "10.0.0.1";
    options.data_dir = "/tmp";
    options.version = "v1.36.0+mk1";
    options.node_labels = {"disk=ssd"};
    runtime.containers = std::make_unique<FakeRuntime>(clock);
    runtime.images = std::make_unique<FakeImages>();
    runtime.network = std::make_unique<FakeNetwork>();
    auto begin = [this]() -> rt::Task<> { CHECK((co_await agent.register_node()).ok()); };
    rt::run_until_done(loop, begin());
    agent.start(group);
    settle();
  }
  ~AgentTest() { rt::run_until_done(loop, group.stop()); }
  void settle() {
    for (int quiet = 0; quiet < 40;) {
      if (loop.poll() != 0)
        quiet = 0;
      else
        ++quiet, ::usleep(1000);
    }
  }
  api::Object node() { return api.find(res::kNodes, api::Key("", "n1")); }
  std::string ready() {
    const api::Object object = node();
    for (const Json& condition : api::list(object.json(), "status.conditions"))
      if (api::str(condition, "type") == "Ready") return std::string(api::str(condition, "status"));
    return "";
  }
  void set_cidr() {
    Json json = node().json();
    api::set(json, "spec.podCIDR", "10.42.3.0/24");
    api.put(res::kNodes, std::move(json));
    settle();
  }

  rt::Loop loop;
  rt::ManualClock clock;
  std::unique_ptr<rt::Random> random = rt::make_random(1);
  rt::BlockingPool pool{2};
  client::FakeClient api{clock};
  NodeRuntime runtime;
  KubeletOptions options;
  EventRecorder events{api, clock, "n1"};
  ObjectWatcher objects{loop, api, clock, *random};
  FakeMounter mounter;
  client::Informer services{api, clock, *random, res::kServices, "", client::ListOptions()};
  Context context{loop,   clock,   *random, pool,     api, runtime, options,
                  events, objects, mounter, services, {},  {}};
  int network_ready = 0;
  NodeAgent agent{context, [this] { ++network_ready; }};
  rt::Group group{loop.executor()};
};

}  // namespace

TEST_CASE("a node registers, gets its network and becomes ready") {
  AgentTest test;
  const api::Object node = test.node();
  CHECK(node.label("kubernetes.io/os") == "linux");
  CHECK(node.label("disk") == "ssd");
  CHECK(test.ready() == "False");
  CHECK(!test.agent.ready());
  CHECK(!api::str(node.json(), "status.nodeInfo.kernelVersion").empty());
  CHECK(!api::str(node.json(), "status.allocatable.memory").empty());
  CHECK(api::num(node.json(), "status.daemonEndpoints.kubeletEndpoint.Port") == 10250);
  test.set_cidr();
  CHECK(test.ready() == "True");
  CHECK(test.agent.ready());
  CHECK(test.network_ready == 1);
  CHECK(test.node().annotation(kVtepMacAnnotation) == "02:00:00:00:00:01");
}

TEST_CASE("an idle node writes its lease every 10 seconds and its status every 5 minutes") {
  AgentTest test;
  test.set_cidr();
  const auto lease = [&] {
    return std::string(
        api::str(test.api.find(res::kLeases, api::Key("kube-node-lease", "n1")).json(), "spec.renewTime"));
  };
  const std::string first = lease();
  CHECK(!first.empty());
  const auto patches = test.api.count("patch", res::kNodes);
  for (int i = 0; i < 3; ++i) test.clock.advance(10s), test.settle();
  CHECK(lease() != first);
  CHECK(test.api.count("patch", res::kNodes) == patches);
  test.clock.advance(5min);
  test.settle();
  CHECK(test.api.count("patch", res::kNodes) == patches + 1);
}

TEST_CASE("the other nodes become peers once they can be reached") {
  AgentTest test;
  test.set_cidr();
  auto& network = static_cast<FakeNetwork&>(*test.runtime.network);
  Json other = *api::parse_json(
      R"({"metadata":{"name":"n2","annotations":{"mk.io/vtep-mac":"02:00:00:00:00:02"}},"spec":{},
    "status":{"addresses":[{"type":"InternalIP","address":"10.0.0.2"}]}})");
  test.api.put(res::kNodes, other);
  test.settle();
  CHECK(network.peers.empty());
  api::set(other, "spec.podCIDR", "10.42.4.0/24");
  test.api.put(res::kNodes, other);
  test.settle();
  REQUIRE(network.peers.size() == 1);
  CHECK(network.peers[0].node_ip == "10.0.0.2");
  test.api.erase(res::kNodes, api::Key("", "n2"));
  test.settle();
  CHECK(network.peers.empty());
}

TEST_CASE("malformed labels and taints are refused with the right form") {
  KubeletOptions options;
  options.node_labels = {"bad key=1"};
  CHECK(make_node(options, {}).error().is(Reason::kInvalid));
  options.node_labels.clear();
  options.node_taints = {"a=b"};
  CHECK(make_node(options, {}).error().message().find("NoSchedule") != std::string::npos);
  options.node_taints = {"a=b:NoExecute"};
  CHECK(make_node(options, {}).ok());
}
