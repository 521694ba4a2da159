#include "disruption/budget.h"
#include "kit/test_world.h"

using namespace mk;
using namespace mk::controller;
using namespace mk::controller::testing;
using namespace mk::api::resources;
using namespace std::chrono_literals;

namespace {

const api::Gvr kBudgets{"policy", "v1", "poddisruptionbudgets"};

api::Json yaml(const std::string& text) {
  return api::parse_yaml(text).value();
}

disruption::Demand demand_of(const char* spec, std::int64_t pods, std::int64_t scale) {
  return disruption::demand(yaml(std::string("{spec: ") + spec + "}"), pods, scale);
}

void put_budget(World& world, const char* spec) {
  world.server.put(kBudgets,
                   yaml(std::string("{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: "
                                    "{name: b, namespace: default, uid: b, generation: 1}, spec: ") +
                        spec + "}"));
  world.settle();
}

void put_pod(World& world, const std::string& name, const std::string& owners = "[]") {
  world.server.put(
      kPods, yaml("{apiVersion: v1, kind: Pod, metadata: {name: " + name +
                  ", namespace: default, uid: " + name + ", labels: {app: web}, ownerReferences: " + owners +
                  "}, spec: {}, status: {phase: Running, conditions: [{type: Ready, "
                  "status: 'True'}]}}"));
  world.settle();
}

api::Object budget(World& world) {
  return world.server.find(kBudgets, api::Key("default", "b"));
}

std::int64_t status(World& world, const char* field) {
  return api::num(budget(world).json(), std::string("status.") + field, -1);
}

}  // namespace

TEST_CASE("what a budget demands: numbers, percentages, of pods there or wanted") {
  const auto check = [](disruption::Demand demand, std::int64_t expected, std::int64_t healthy) {
    CHECK(demand.expected == expected);
    CHECK(demand.desired_healthy == healthy);
  };
  check(demand_of("{minAvailable: 2}", 3, 0), 3, 2);
  check(demand_of("{minAvailable: 90%}", 3, 10), 10, 9);
  check(demand_of("{minAvailable: 28%}", 3, 10), 10, 3);
  check(demand_of("{maxUnavailable: 1}", 3, 5), 5, 4);
  check(demand_of("{maxUnavailable: 10%}", 3, 5), 5, 4);
  check(demand_of("{maxUnavailable: 7}", 3, 5), 5, 0);
  check(demand_of("{}", 3, 5), 0, 0);
}

TEST_CASE("a budget of a number allows what is healthy beyond it") {
  World world;
  put_budget(world, "{minAvailable: 2, selector: {matchLabels: {app: web}}}");
  CHECK(status(world, "disruptionsAllowed") == 0);
  CHECK(status(world, "observedGeneration") == 1);
  CHECK(condition(budget(world), "DisruptionAllowed") == "InsufficientPods");
  for (const auto* name : {"a", "b", "c"}) put_pod(world, name);
  CHECK(status(world, "currentHealthy") == 3);
  CHECK(status(world, "desiredHealthy") == 2);
  CHECK(status(world, "expectedPods") == 3);
  CHECK(status(world, "disruptionsAllowed") == 1);
  CHECK(condition(budget(world), "DisruptionAllowed") == "SufficientPods");
  world.make_ready(world.server.find(kPods, api::Key("default", "a")), false);
  world.settle();
  CHECK(status(world, "disruptionsAllowed") == 0);
  edit(world, kBudgets, "b", [](api::Json& json) { api::set(json, "spec.minAvailable", 1); });
  CHECK(status(world, "disruptionsAllowed") == 1);
  CHECK(status(world, "observedGeneration") == 2);
}

TEST_CASE("a granted eviction counts until it happens, and no longer than two minutes") {
  World world;
  for (const auto* name : {"a", "b", "c"}) put_pod(world, name);
  put_budget(world, "{minAvailable: 1, selector: {matchLabels: {app: web}}}");
  REQUIRE(status(world, "disruptionsAllowed") == 2);
  // What the eviction subresource writes.
  auto granted = budget(world).json();
  api::set(granted, "status.disruptedPods", api::JsonObject{{"a", rt::format_time(world.clock.now())}});
  api::set(granted, "status.disruptionsAllowed", 1);
  world.server.put(kBudgets, granted);
  world.settle();
  CHECK(status(world, "currentHealthy") == 2);
  CHECK(status(world, "disruptionsAllowed") == 1);
  world.settle(130s);
  CHECK(status(world, "disruptionsAllowed") == 2);
  CHECK(api::object(budget(world).json(), "status.disruptedPods").empty());
}

TEST_CASE("percentages are of what the pods' controllers want") {
  World world;
  world.server.put(kReplicaSets,
                   yaml("{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: web, namespace: default, "
                        "uid: rs}, spec: {replicas: 4, selector: {matchLabels: {app: web}}, template: "
                        "{metadata: {labels: {app: web}}}}}"));
  world.settle();
  world.make_all_ready();
  put_budget(world, "{maxUnavailable: 25%, selector: {matchLabels: {app: web}}}");
  CHECK(status(world, "expectedPods") == 4);
  CHECK(status(world, "desiredHealthy") == 3);
  CHECK(status(world, "disruptionsAllowed") == 1);
  // A pod that belongs to what has no scale: the budget cannot be known.
  put_pod(world, "lone", "[{apiVersion: v1, kind: ConfigMap, name: x, uid: x, controller: true}]");
  if (world.server.find(kPods, api::Key("default", "lone"))) {
    CHECK(status(world, "disruptionsAllowed") == 0);
    CHECK(condition(budget(world), "DisruptionAllowed") == "SyncFailed");
    CHECK(condition(budget(world), "DisruptionAllowed", "message") ==
          "configmaps does not implement the scale subresource");
  }
}

TEST_CASE("a pod marked for an eviction that never came is unmarked") {
  World world;
  put_pod(world, "a");
  auto marked = world.server.find(kPods, api::Key("default", "a")).json();
  set_condition(marked,
                Condition("DisruptionTarget", "True", "EvictionByEvictionAPI", "Eviction API: evicting"),
                world.clock.now());
  world.server.put(kPods, marked);
  world.settle(60s);
  CHECK(condition(world.server.find(kPods, api::Key("default", "a")), "DisruptionTarget", "status") ==
        "True");
  world.settle(80s);
  CHECK(condition(world.server.find(kPods, api::Key("default", "a")), "DisruptionTarget", "status") ==
        "False");
}
