#include <catch2/catch.hpp>

#include "kit/pod_owner.h"
#include "kit/test_world.h"

using namespace mk;
using namespace mk::controller::testing;
using mk::controller::settling_time;
using namespace std::chrono_literals;
using namespace mk::api::resources;

namespace {

constexpr char kReplicaSet[] = R"(
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: web, namespace: default, uid: rs-1, generation: 1}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: nginx}]}
)";

constexpr char kDeployment[] = R"(
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default, uid: d-1, generation: 1}
spec:
  replicas: 4
  revisionHistoryLimit: 10
  progressDeadlineSeconds: 600
  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1, maxUnavailable: 1}}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: "nginx:1"}]}
)";

}  // namespace

TEST_CASE("a ReplicaSet makes, counts and removes its pods") {
  World world;
  world.put(kReplicaSets, kReplicaSet);
  CHECK(world.pods() == 3);
  world.make_all_ready();
  auto set = world.server.find(kReplicaSets, api::Key("default", "web"));
  CHECK(api::num(set.json(), "status.replicas") == 3);
  CHECK(api::num(set.json(), "status.readyReplicas") == 3);
  CHECK(api::num(set.json(), "status.availableReplicas") == 3);
  CHECK(api::num(set.json(), "status.observedGeneration") == 1);

  edit(world, kReplicaSets, "web", [](api::Json& json) { api::set(json, "spec.replicas", 1); });
  CHECK(world.pods() == 1);
  world.server.erase(kPods, world.server.all(kPods).front().key());
  world.settle();
  CHECK(world.pods() == 1);
  const auto reasons = world.event_reasons();
  CHECK(std::count(reasons.begin(), reasons.end(), "SuccessfulCreate") >= 3);
}

TEST_CASE("a large ReplicaSet does not look at all its pods for each that changes") {
  CHECK(settling_time(100) == 0s);
  CHECK(settling_time(1000) == 100ms);
  CHECK(settling_time(150'000) == 1s);
  World world;
  world.put(kReplicaSets, kReplicaSet);
  edit(world, kReplicaSets, "web", [](api::Json& json) { api::set(json, "spec.replicas", 300); });
  REQUIRE(world.pods() == 300);
  const auto before = world.server.count("update", kReplicaSets);
  for (const auto& pod : world.server.all(kPods)) {
    world.make_ready(pod);
    while (world.loop.poll() > 0) {
    }
  }
  world.settle();
  CHECK(api::num(world.server.find(kReplicaSets, api::Key("default", "web")).json(),
                 "status.readyReplicas") == 300);
  CHECK(world.server.count("update", kReplicaSets) - before <= 3);
}

TEST_CASE("a ReplicaSet adopts orphans that match and releases pods that do not match any more") {
  World world;
  world.put(
      kPods,
      R"({apiVersion: v1, kind: Pod, metadata: {name: stray, namespace: default, labels: {app: web}}})");
  world.put(kReplicaSets, kReplicaSet);
  CHECK(world.pods() == 3);
  auto stray = world.server.find(kPods, api::Key("default", "stray"));
  CHECK(controller::controlled_by(stray, "rs-1"));

  auto json = stray.json();
  api::set(json, "metadata.labels.app", "other");
  world.server.put(kPods, json);
  world.settle();
  CHECK(world.pods() == 4);
  CHECK(api::controller_of(world.server.find(kPods, api::Key("default", "stray"))) == nullptr);
}

TEST_CASE("a ReplicaSet whose pods are refused says so and recovers") {
  World world;
  bool refuse = true;
  int attempts = 0;
  world.server.intercept = [&](const client::FakeClient::Action& action) -> Result<void> {
    if (refuse && action.verb == "create" && action.resource == kPods)
      return Error(Reason::kForbidden, "pod " + std::to_string(++attempts) + ": exceeded quota");
    return ok();
  };
  world.put(kReplicaSets, kReplicaSet);
  CHECK(world.server.count("update", kReplicaSets) == 1);  // however often it has tried
  CHECK(attempts > 2);
  CHECK(world.pods() == 0);
  CHECK(condition(world.server.find(kReplicaSets, api::Key("default", "web")), "ReplicaFailure") ==
        "FailedCreate");
  refuse = false;
  world.settle(60s);
  CHECK(world.pods() == 3);
  CHECK(condition(world.server.find(kReplicaSets, api::Key("default", "web")), "ReplicaFailure") == "absent");
}

TEST_CASE("a Deployment rolls out, rolls over and keeps within its bounds") {
  World world;
  world.put(kDeployments, kDeployment);
  world.roll();
  auto deployment = world.server.find(kDeployments, api::Key("default", "web"));
  CHECK(world.pods() == 4);
  CHECK(condition(deployment, "Progressing") == "NewReplicaSetAvailable");
  CHECK(condition(deployment, "Available") == "MinimumReplicasAvailable");
  CHECK(deployment.annotation("deployment.kubernetes.io/revision") == "1");

  edit(world, kDeployments, "web", [](api::Json& json) {
    auto next = api::parse_json(R"([{"name":"c","image":"nginx:2"}])");
    api::set(json, "spec.template.spec.containers", *next);
  });
  CHECK(world.pods() <= 5);
  for (int i = 0; i < 20; ++i) {
    std::size_t ready = 0;
    for (const auto& pod : world.server.all(kPods)) ready += controller::pod_ready(pod.json()) ? 1 : 0;
    CHECK(ready >= 3);
    CHECK(world.pods() <= 5);
    world.make_all_ready();
  }
  deployment = world.server.find(kDeployments, api::Key("default", "web"));
  CHECK(deployment.annotation("deployment.kubernetes.io/revision") == "2");
  CHECK(api::num(deployment.json(), "status.updatedReplicas") == 4);
  CHECK(api::num(deployment.json(), "status.replicas") == 4);
  CHECK(condition(deployment, "Progressing") == "NewReplicaSetAvailable");
  CHECK(world.server.all(kReplicaSets).size() == 2);

  // Back again: the old set gets a new revision and remembers the former.
  edit(world, kDeployments, "web", [](api::Json& json) {
    auto next = api::parse_json(R"([{"name":"c","image":"nginx:1"}])");
    api::set(json, "spec.template.spec.containers", *next);
  });
  world.roll();
  deployment = world.server.find(kDeployments, api::Key("default", "web"));
  CHECK(deployment.annotation("deployment.kubernetes.io/revision") == "3");
  CHECK(world.server.all(kReplicaSets).size() == 2);
}

TEST_CASE("a rollout that does not move runs out of time") {
  World world;
  world.put(kDeployments, kDeployment);
  world.settle(650s);
  const auto deployment = world.server.find(kDeployments, api::Key("default", "web"));
  CHECK(condition(deployment, "Progressing") == "ProgressDeadlineExceeded");
  CHECK(condition(deployment, "Progressing", "status") == "False");
}

TEST_CASE("Recreate removes every old pod before it makes a new one") {
  World world;
  world.put(kDeployments, kDeployment);
  world.roll();
  edit(world, kDeployments, "web", [](api::Json& json) {
    auto strategy = api::parse_json(R"({"type":"Recreate"})");
    api::set(json, "spec.strategy", *strategy);
    auto next = api::parse_json(R"([{"name":"c","image":"nginx:2"}])");
    api::set(json, "spec.template.spec.containers", *next);
  });
  world.roll();
  CHECK(world.pods() == 4);
  for (const auto& pod : world.server.all(kPods)) {
    CHECK(api::str(api::list(pod.json(), "spec.containers").front(), "image") == "nginx:2");
  }
}

TEST_CASE("services get slices and endpoints of their pods, with few writes") {
  World world;
  world.put(kServices, R"(
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default, uid: s-1}
spec: {selector: {app: web}, ipFamilies: [IPv4], clusterIP: 10.43.0.5, ports: [{name: http, port: 80, targetPort: 8080, protocol: TCP}]}
)");
  REQUIRE(world.server.all(kEndpointSlices).size() == 1);  // visible although empty
  world.put(kReplicaSets, kReplicaSet);
  world.make_all_ready();
  REQUIRE(world.server.all(kEndpointSlices).size() == 1);
  const auto slice = world.server.all(kEndpointSlices).front();
  CHECK(api::list(slice.json(), "endpoints").size() == 3);
  CHECK(slice.label("kubernetes.io/service-name") == "web");
  const auto endpoints = world.server.find(kEndpoints, api::Key("default", "web"));
  REQUIRE(endpoints);
  CHECK(api::list(api::list(endpoints.json(), "subsets").front(), "addresses").size() == 3);
  const auto writes = world.server.count("update", kEndpointSlices);
  world.settle(60s);
  CHECK(world.server.count("update", kEndpointSlices) == writes);
}

TEST_CASE("namespaces get an account and the CA, and are emptied pods first") {
  World world;
  world.put(kNamespaces,
            R"({apiVersion: v1, kind: Namespace, metadata: {name: shop}, spec: {finalizers: [kubernetes]}})");
  CHECK(world.server.find(kServiceAccounts, api::Key("shop", "default")));
  const auto ca = world.server.find(kConfigMaps, api::Key("shop", "kube-root-ca.crt"));
  REQUIRE(ca);
  CHECK(api::object(ca.json(), "data").at("ca.crt").as_string() == "CA");

  world.put(kPods,
            R"({apiVersion: v1, kind: Pod, metadata: {name: held, namespace: shop, finalizers: [x/y]}})");
  world.put(kConfigMaps, R"({apiVersion: v1, kind: ConfigMap, metadata: {name: precious, namespace: shop}})");
  world.put(
      kNamespaces,
      R"({apiVersion: v1, kind: Namespace, metadata: {name: shop, deletionTimestamp: "2026-01-01T00:00:00Z"}, spec: {finalizers: [kubernetes]}})");
  world.settle(10s);
  auto ns = world.server.find(kNamespaces, api::Key("", "shop"));
  CHECK(condition(ns, "NamespaceDeletionContentFailure", "status") == "True");
  CHECK(world.server.find(kConfigMaps, api::Key("shop", "precious")));

  world.server.erase(kPods, api::Key("shop", "held"));
  world.settle(20s);
  CHECK_FALSE(world.server.find(kConfigMaps, api::Key("shop", "precious")));
  ns = world.server.find(kNamespaces, api::Key("", "shop"));
  if (ns) CHECK(api::list(ns.json(), "spec.finalizers").empty());
}

TEST_CASE("nodes get pieces of the pod range, and silence has consequences") {
  World world;
  world.put(
      kNodes,
      R"({apiVersion: v1, kind: Node, metadata: {name: one}, status: {conditions: [{type: Ready, status: "True"}]}})");
  world.put(
      kNodes,
      R"({apiVersion: v1, kind: Node, metadata: {name: two}, status: {conditions: [{type: Ready, status: "True"}]}})");
  const auto one = world.server.find(kNodes, api::Key("", "one")),
             two = world.server.find(kNodes, api::Key("", "two"));
  CHECK(api::str(one.json(), "spec.podCIDR") != api::str(two.json(), "spec.podCIDR"));
  CHECK(api::list(one.json(), "spec.taints").empty());

  world.put(kPods, R"({apiVersion: v1, kind: Pod, metadata: {name: a, namespace: default, uid: a},
                       spec: {nodeName: one, tolerations: [{key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 30}]},
                       status: {phase: Running, conditions: [{type: Ready, status: "True"}]}})");
  world.settle(60s);
  const auto silent = world.server.find(kNodes, api::Key("", "one"));
  CHECK(condition(silent, "Ready") == "NodeStatusUnknown");
  CHECK(api::list(silent.json(), "spec.taints").size() == 2);
  CHECK_FALSE(controller::pod_ready(world.server.find(kPods, api::Key("default", "a")).json()));
  world.settle(40s);
  const auto pod = world.server.find(kPods, api::Key("default", "a"));
  CHECK((!pod || pod.deleting()));
}

TEST_CASE("the garbage collector follows owners: background, foreground, orphan, and several owners") {
  World world;
  const auto child = [&](const char* name, const char* owners) {
    auto json = api::parse_yaml(
        std::string("{apiVersion: v1, kind: ConfigMap, metadata: {namespace: default, name: ") + name +
        ", uid: " + name + ", ownerReferences: " + owners + "}}");
    REQUIRE(json.ok());
    world.server.put(kConfigMaps, *json);
  };
  const auto parent = [&](const char* name, const char* more) {
    auto json =
        api::parse_yaml(std::string("{apiVersion: v1, kind: Secret, metadata: {namespace: default, name: ") +
                        name + ", uid: " + name + more + "}}");
    REQUIRE(json.ok());
    world.server.put(kSecrets, *json);
  };
  const auto there = [&](const char* name) {
    return bool(world.server.find(kConfigMaps, api::Key("default", name)));
  };

  SECTION("background") {
    parent("p", "");
    child("c", "[{apiVersion: v1, kind: Secret, name: p, uid: p}]");
    child("lost", "[{apiVersion: v1, kind: Secret, name: p, uid: former}]");
    world.settle();
    CHECK(there("c"));
    CHECK_FALSE(there("lost"));
    world.server.erase(kSecrets, api::Key("default", "p"));
    world.settle();
    CHECK_FALSE(there("c"));
  }
  SECTION("foreground: dependents first, and one with another owner stays") {
    parent("p", "");
    parent("q", "");
    child("c", "[{apiVersion: v1, kind: Secret, name: p, uid: p, blockOwnerDeletion: true}]");
    child("both",
          "[{apiVersion: v1, kind: Secret, name: p, uid: p, blockOwnerDeletion: true}, {apiVersion: v1, "
          "kind: Secret, name: q, uid: q}]");
    world.settle();
    parent("p", ", deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: [foregroundDeletion]");
    world.settle();
    CHECK_FALSE(there("c"));
    REQUIRE(there("both"));
    CHECK(api::list(world.server.find(kConfigMaps, api::Key("default", "both")).json(),
                    "metadata.ownerReferences")
              .size() == 1);
    CHECK_FALSE(world.server.find(kSecrets, api::Key("default", "p")));
  }
  SECTION("orphan") {
    parent("p", "");
    child("c", "[{apiVersion: v1, kind: Secret, name: p, uid: p}]");
    world.settle();
    parent("p", ", deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: [orphan]");
    world.settle();
    REQUIRE(there("c"));
    CHECK(
        api::list(world.server.find(kConfigMaps, api::Key("default", "c")).json(), "metadata.ownerReferences")
            .empty());
    CHECK_FALSE(world.server.find(kSecrets, api::Key("default", "p")));
  }
}
