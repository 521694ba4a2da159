#include "mk/scheduler/scheduler.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "mk/client/fake_client.h"
#include "mk/rt/group.h"

using namespace mk;
using namespace std::chrono_literals;
using namespace mk::api::resources;

namespace {

// The scheduler against a server in memory, on a clock that moves only when told.
struct World {
  rt::Loop loop;
  rt::ManualClock clock;
  std::unique_ptr<rt::Random> random = rt::make_random(1);
  client::FakeClient server{clock};
  std::unique_ptr<scheduler::Scheduler> scheduler = scheduler::make_scheduler(loop, clock, *random, server);
  rt::Group group{loop.executor()};

  World() {
    group.spawn("start", scheduler->start());
    settle();
  }
  ~World() {
    rt::run_until_done(loop, scheduler->stop());
    rt::run_until_done(loop, group.stop());
  }
  void settle(rt::Duration by = 3s) {
    for (rt::Duration done{0}; done < by; done += 100ms) {
      while (loop.poll() > 0) {
      }
      clock.advance(100ms);
    }
    while (loop.poll() > 0) {
    }
  }
  void put(const api::Gvr& gvr, const std::string& yaml) {
    auto json = api::parse_yaml(yaml);
    REQUIRE(json.ok());
    server.put(gvr, *json);
  }
  void node(const std::string& name, const std::string& spec = "{}") {
    put(kNodes, "{apiVersion: v1, kind: Node, metadata: {name: " + name + "}, spec: " + spec +
                    ", status: {allocatable: {cpu: '1', memory: 1Gi, pods: 10}}}");
  }
  void pod(const std::string& name, const std::string& cpu, int priority = 0) {
    put(kPods, "{apiVersion: v1, kind: Pod, metadata: {namespace: default, name: " + name + ", uid: " + name +
                   "}, spec: {schedulerName: default-scheduler, priority: " + std::to_string(priority) +
                   ", containers: [{name: c, image: i, resources: {requests: {cpu: " + cpu +
                   "}}}]}, status: {phase: Pending}}");
  }
  std::string node_of(const std::string& name) {
    const auto found = server.find(kPods, api::Key("default", name));
    return found ? std::string(api::str(found.json(), "spec.nodeName")) : "gone";
  }
  std::string event_message(const std::string& reason) {
    for (const auto& event : server.all(kEvents)) {
      if (api::str(event.json(), "reason") == reason) return std::string(api::str(event.json(), "message"));
    }
    return {};
  }
};

}  // namespace

TEST_CASE("a pod is bound to a node that fits, and says so") {
  World world;
  world.node("one");
  world.pod("a", "500m");
  world.settle();
  CHECK(world.node_of("a") == "one");
  CHECK(world.event_message("Scheduled") == "Successfully assigned default/a to one");
}

TEST_CASE("a pod that fits nowhere says why, and is bound as soon as there is room") {
  World world;
  world.pod("a", "1");
  world.settle();
  CHECK(world.event_message("FailedScheduling") == "no nodes available to schedule pods");
  world.node("one", "{taints: [{key: k, value: v, effect: NoSchedule}]}");
  world.settle(20s);
  CHECK(world.node_of("a").empty());
  const auto waiting = world.server.find(kPods, api::Key("default", "a"));
  const auto& condition = api::list(waiting.json(), "status.conditions").front();
  CHECK(api::str(condition, "type") == "PodScheduled");
  CHECK(api::str(condition, "reason") == "Unschedulable");
  CHECK(api::str(condition, "message") ==
        "0/1 nodes are available: 1 node(s) had untolerated taint {k: v}. preemption: 0/1 nodes are "
        "available: 1 "
        "Preemption is not helpful for scheduling.");
  const auto writes = world.server.count("patch", kPods);
  world.settle(30s);
  CHECK(world.server.count("patch", kPods) == writes);
  world.node("one");
  world.settle(20s);
  CHECK(world.node_of("a") == "one");
}

TEST_CASE("pods never overfill a node, and one that leaves makes room for the next") {
  World world;
  world.node("one");
  for (const char* name : {"a", "b", "c", "d"}) world.pod(name, "400m");
  world.settle();
  int bound = 0;
  std::string placed;
  for (const char* name : {"a", "b", "c", "d"}) {
    if (world.node_of(name) == "one") ++bound, placed = name;
  }
  CHECK(bound == 2);
  world.server.erase(kPods, api::Key("default", placed));
  world.settle(15s);
  bound = 0;
  for (const char* name : {"a", "b", "c", "d"}) bound += world.node_of(name) == "one" ? 1 : 0;
  CHECK(bound == 2);
}

TEST_CASE("an important pod takes the place of a lesser one") {
  World world;
  world.node("one");
  world.pod("lesser", "800m", 1);
  world.settle();
  REQUIRE(world.node_of("lesser") == "one");
  world.pod("important", "800m", 100);
  world.settle();
  const auto lesser = world.server.find(kPods, api::Key("default", "lesser"));
  REQUIRE((!lesser || lesser.deleting()));
  if (lesser) {
    const auto& conditions = api::list(lesser.json(), "status.conditions");
    CHECK(std::any_of(conditions.begin(), conditions.end(), [](const api::Json& condition) {
      return api::str(condition, "type") == "DisruptionTarget" &&
             api::str(condition, "reason") == "PreemptionByScheduler";
    }));
    world.server.erase(kPods, api::Key("default", "lesser"));
  }
  world.settle(15s);
  CHECK(world.node_of("important") == "one");
}
