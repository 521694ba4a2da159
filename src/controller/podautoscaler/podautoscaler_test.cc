#include "kit/test_world.h"
#include "podautoscaler/behavior.h"
#include "podautoscaler/metrics.h"
#include "podautoscaler/usage.h"

using namespace mk;
using namespace mk::controller;
using namespace mk::controller::podautoscaler;
using namespace std::chrono_literals;
using mk::controller::testing::World;

namespace {

const rt::WallTime kNow = *rt::parse_time("2026-01-02T12:00:00Z");

struct PodSpec {
  std::string name;
  std::string phase = "Running";
  bool ready = true;
  std::string request = "100m";
  std::string started = "2026-01-02T10:00:00Z", since = "2026-01-02T10:00:10Z";
};

api::Object pod(const PodSpec& spec) {
  const std::string resources =
      spec.request.empty() ? "{}" : "{requests: {cpu: " + spec.request + ", memory: 100Mi}}";
  auto json = api::parse_yaml("{metadata: {name: " + spec.name +
                              ", namespace: default}, spec: {containers: [{name: a, resources: " + resources +
                              "}]}, status: {phase: " + spec.phase + ", startTime: \"" + spec.started +
                              "\", conditions: [{type: Ready, status: \"" + (spec.ready ? "True" : "False") +
                              "\", lastTransitionTime: \"" + spec.since + "\"}]}}");
  REQUIRE(json.ok());
  return api::Object(std::move(*json));
}

std::vector<api::Object> pods(int count) {
  std::vector<api::Object> out;
  for (int i = 0; i < count; ++i) out.push_back(pod({"p" + std::to_string(i)}));
  return out;
}

Samples samples(const std::vector<std::int64_t>& values) {
  Samples out;
  for (std::size_t i = 0; i < values.size(); ++i) out["p" + std::to_string(i)] = {values[i], kNow, 15s};
  return out;
}

const Target kHalf{"cpu", "", 50, 0};
const Tolerance kTenth;

std::int64_t replicas(const Target& target, std::int64_t current, const std::vector<api::Object>& list,
                      Samples given) {
  const auto out = propose(target, current, list, std::move(given), kTenth, kNow);
  if (!out.ok()) FAIL(out.error().message());
  return out->replicas;
}

Behavior behavior_of(const char* spec) {
  return parse_behavior(*api::parse_yaml(std::string("{spec: {behavior: ") + spec + "}}"));
}

}  // namespace

TEST_CASE("replicas follow the mean utilization, rounded up, unless it is near the target") {
  CHECK(replicas(kHalf, 2, pods(2), samples({100, 100})) == 4);
  CHECK(replicas(kHalf, 2, pods(2), samples({60, 66})) == 3);
  CHECK(replicas(kHalf, 2, pods(2), samples({54, 54})) == 2);
  CHECK(replicas(kHalf, 4, pods(4), samples({10, 10, 10, 10})) == 1);
  const auto out = *propose(kHalf, 2, pods(2), samples({100, 50}), kTenth, kNow);
  CHECK(*out.utilization == 75);
  CHECK(out.average == 75);
}

TEST_CASE("an average value needs no requests") {
  const Target memory{"memory", "", std::nullopt, 100};
  std::vector<api::Object> bare{pod({.name = "p0", .request = ""}), pod({.name = "p1", .request = ""})};
  CHECK(replicas(memory, 2, bare, samples({150, 150})) == 3);
  CHECK(replicas(memory, 2, bare, samples({50, 50})) == 1);
  const auto cpu = propose(kHalf, 2, bare, samples({50, 50}), kTenth, kNow);
  REQUIRE_FALSE(cpu.ok());
  CHECK(cpu.error().message().find("missing request for cpu in container a of Pod p0") != std::string::npos);
}

TEST_CASE("pods without metrics hold back: full when scaling down, idle when scaling up") {
  CHECK(replicas(kHalf, 3, pods(3), samples({10, 10})) == 3);    // (10 + 10 + 100) / 3 is 40%: down to 3
  CHECK(replicas(kHalf, 4, pods(4), samples({0, 0, 0})) == 2);   // (100) / 4 is 25%
  CHECK(replicas(kHalf, 3, pods(3), samples({100, 100})) == 4);  // (200 + 0) / 3 is 67%
  CHECK(replicas(kHalf, 3, pods(3), samples({70, 70})) == 3);    // (140 + 0) / 3 is 47%: the other way
}

TEST_CASE("pods that are not ready yet count as idle when scaling up and not at all otherwise") {
  auto list = pods(2);
  list.push_back(pod({.name = "p2", .phase = "Pending", .ready = false}));
  CHECK(replicas(kHalf, 3, list, samples({100, 100})) == 4);
  CHECK(replicas(kHalf, 3, list, samples({10, 10})) == 1);
  // Just started, not ready: its CPU is that of its start.
  list[2] =
      pod({.name = "p2", .ready = false, .started = "2026-01-02T11:58:00Z", .since = "2026-01-02T11:58:00Z"});
  CHECK(replicas(kHalf, 3, list, samples({50, 50, 1000})) == 3);
  // Started long ago and unready since a while: it was ready once, its CPU counts.
  list[2] =
      pod({.name = "p2", .ready = false, .started = "2026-01-02T10:00:00Z", .since = "2026-01-02T11:30:00Z"});
  CHECK(replicas(kHalf, 3, list, samples({50, 50, 200})) == 6);
}

TEST_CASE("failed and ending pods do not count; without any metrics nothing can be said") {
  auto list = pods(2);
  list.push_back(pod({.name = "p2", .phase = "Failed"}));
  CHECK(replicas(kHalf, 2, list, samples({100, 100, 0})) == 4);
  CHECK_FALSE(propose(kHalf, 2, list, {}, kTenth, kNow).ok());
  CHECK_FALSE(propose(kHalf, 2, {pod({.name = "p0", .phase = "Pending"})}, samples({1}), kTenth, kNow).ok());
}

TEST_CASE("samples sum a pod's containers, or take the one that is asked for") {
  auto metrics = api::parse_yaml(R"({metadata: {name: p0}, timestamp: "2026-01-02T12:00:00Z", window: 15s,
    containers: [{name: a, usage: {cpu: 100m, memory: 1Ki}}, {name: b, usage: {cpu: "50000000n", memory: 1Ki}}]})");
  REQUIRE(metrics.ok());
  const std::vector<api::Object> list{api::Object(*metrics)};
  CHECK(samples_of(list, kHalf).at("p0").value == 150);
  CHECK(samples_of(list, kHalf).at("p0").window == 15s);
  CHECK(samples_of(list, {"cpu", "b", 50, 0}).at("p0").value == 50);
  CHECK(samples_of(list, {"memory", "", 50, 0}).at("p0").value == 2048 * 1000);
  CHECK(samples_of(list, {"cpu", "none", 50, 0}).empty());
  CHECK(samples_of(list, {"gpu", "", 50, 0}).empty());
}

TEST_CASE("without a behavior, upwards at most double or four more, downwards after five calm minutes") {
  const Behavior standard = behavior_of("null");
  History history;
  auto up = follow(2, 50, {1, 100}, standard, history, kNow);
  CHECK(up.replicas == 6);
  CHECK(up.reason == "ScaleUpLimit");
  history.note_change(2, 6, kNow);
  CHECK(follow(6, 50, {1, 100}, standard, history, kNow + 5s).replicas == 6);  // used up for 15 seconds
  CHECK(follow(6, 50, {1, 100}, standard, history, kNow + 16s).replicas == 12);
  History calm;
  CHECK(follow(10, 10, {1, 100}, standard, calm, kNow).replicas == 10);
  const auto held = follow(10, 2, {1, 100}, standard, calm, kNow + 60s);
  CHECK(held.replicas == 10);
  CHECK(held.stabilized == "ScaleDownStabilized");
  calm.forget(standard, kNow + 301s);
  CHECK(follow(10, 2, {1, 100}, standard, calm, kNow + 301s).replicas == 2);
}

TEST_CASE("bounds hold and say so") {
  const Behavior standard = behavior_of("{scaleDown: {stabilizationWindowSeconds: 0}}");
  History history;
  const auto most = follow(4, 9, {1, 5}, standard, history, kNow);
  CHECK(most.replicas == 5);
  CHECK(most.reason == "TooManyReplicas");
  CHECK(most.limited);
  const auto least = follow(4, 0, {2, 5}, standard, history, kNow + 1s);
  CHECK(least.replicas == 2);
  CHECK(least.reason == "TooFewReplicas");
  const auto fine = follow(4, 3, {2, 5}, standard, history, kNow + 2s);
  CHECK(fine.replicas == 3);
  CHECK_FALSE(fine.limited);
}

TEST_CASE("policies of a direction combine as selectPolicy says") {
  const auto text = [](const std::string& select) {
    return "{scaleDown: {stabilizationWindowSeconds: 0, selectPolicy: " + select +
           ", policies: [{type: Pods, value: 1, periodSeconds: 60}, {type: Percent, value: 50, "
           "periodSeconds: 60}]}}";
  };
  const Limits wide{1, 100};
  History none;
  CHECK(follow(10, 1, wide, behavior_of(text("Max").c_str()), none, kNow).replicas == 5);
  none = {};
  CHECK(follow(10, 1, wide, behavior_of(text("Min").c_str()), none, kNow).replicas == 9);
  none = {};
  const auto off = follow(10, 1, wide, behavior_of(text("Disabled").c_str()), none, kNow);
  CHECK(off.replicas == 10);
  CHECK(off.reason == "ScaleDownLimit");
  History used;
  used.note_change(10, 8, kNow - 30s);
  CHECK(follow(8, 1, wide, behavior_of(text("Max").c_str()), used, kNow).replicas == 5);
}

TEST_CASE("a window upwards waits until all of it asked for more; tolerance is read by direction") {
  const Behavior slow = behavior_of("{scaleUp: {stabilizationWindowSeconds: 60, tolerance: \"0.5\"}}");
  CHECK(slow.tolerance.up == 0.5);
  CHECK(slow.tolerance.down == 0.1);
  History history;
  CHECK(follow(2, 2, {1, 10}, slow, history, kNow).replicas == 2);
  const auto held = follow(2, 4, {1, 10}, slow, history, kNow + 30s);
  CHECK(held.replicas == 2);
  CHECK(held.stabilized == "ScaleUpStabilized");
  history.forget(slow, kNow + 61s);
  CHECK(follow(2, 4, {1, 10}, slow, history, kNow + 61s).replicas == 4);
}

TEST_CASE("the metrics of a spec, and the older form's") {
  const auto read = [](const char* spec) {
    return metrics_of(*api::parse_yaml(std::string("{spec: ") + spec + "}"));
  };
  CHECK(*read("{}")[0].target->utilization == 80);
  CHECK(*read("{targetCPUUtilizationPercentage: 30}")[0].target->utilization == 30);
  const auto two = read(R"({metrics: [
    {type: Resource, resource: {name: memory, target: {type: AverageValue, averageValue: 100Mi}}},
    {type: ContainerResource, containerResource: {name: cpu, container: a, target: {type: Utilization, averageUtilization: 60}}},
    {type: Pods, pods: {metric: {name: x}, target: {type: AverageValue, averageValue: "1"}}}]})");
  REQUIRE(two.size() == 3);
  CHECK(two[0].target->average == std::int64_t(100 << 20) * 1000);
  CHECK(two[1].target->container == "a");
  CHECK_FALSE(two[2].target);
  const auto shown = metric_status(two[1], {3, 55, 110, kNow});
  CHECK(api::num(shown, "containerResource.current.averageUtilization") == 55);
  CHECK(api::str(shown, "containerResource.current.averageValue") == "110m");
}

namespace {

const api::Gvr kAutoscalers{"autoscaling", "v2", "horizontalpodautoscalers"};
const api::Gvr kMetrics{"metrics.k8s.io", "v1beta1", "pods"};

struct Scaled {
  Scaled() {
    world.put(api::resources::kDeployments, R"(
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default, uid: dep}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: a, image: i, resources: {requests: {cpu: 100m}}}]}
)");
    world.make_all_ready();
    age_pods();
  }
  void autoscale(const std::string& more = "") {
    world.put(kAutoscalers, ("{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: "
                             "web, namespace: default, uid: hpa}, "
                             "spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}, "
                             "minReplicas: 1, maxReplicas: 5, " +
                             more +
                             "metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, "
                             "averageUtilization: 50}}}]}}")
                                .c_str());
  }
  // Pods that have run for long, and use so much.
  void age_pods() {
    for (const auto& object : world.server.all(api::resources::kPods)) {
      api::Json json = object.json();
      api::set(json, "status.startTime", api::text(rt::format_time(world.clock.now() - 1h)));
      world.server.put(api::resources::kPods, json);
    }
    world.settle();
  }
  void use(const std::string& cpu) {
    for (const auto& object : world.server.all(api::resources::kPods)) {
      api::Json json = *api::parse_yaml(
          "{kind: PodMetrics, apiVersion: metrics.k8s.io/v1beta1, metadata: {labels: {app: web}}, window: "
          "1s, "
          "containers: [{name: a, usage: {cpu: " +
          cpu + ", memory: 1Mi}}]}");
      api::set(json, "metadata.name", api::text(object.name()));
      api::set(json, "metadata.namespace", "default");
      api::set(json, "timestamp", api::text(rt::format_time(world.clock.now())));
      world.server.put(kMetrics, json);
    }
  }
  std::int64_t replicas() {
    return api::num(world.server.find(api::resources::kDeployments, api::Key("default", "web")).json(),
                    "spec.replicas");
  }
  api::Object hpa() { return world.server.find(kAutoscalers, api::Key("default", "web")); }
  World world;
};

}  // namespace

TEST_CASE("an autoscaler scales its target up and tells why") {
  Scaled scaled;
  scaled.use("100m");
  scaled.autoscale();
  CHECK(scaled.replicas() == 4);
  const auto hpa = scaled.hpa();
  CHECK(testing::condition(hpa, "AbleToScale") == "SucceededRescale");
  CHECK(testing::condition(hpa, "ScalingActive") == "ValidMetricFound");
  CHECK(testing::condition(hpa, "ScalingLimited") == "DesiredWithinRange");
  CHECK(api::num(hpa.json(), "status.desiredReplicas") == 4);
  const auto& shown = api::list(hpa.json(), "status.currentMetrics");
  REQUIRE(shown.size() == 1);
  CHECK(api::num(shown[0], "resource.current.averageUtilization") == 100);
  const auto events = scaled.world.event_reasons();
  CHECK(std::count(events.begin(), events.end(), "SuccessfulRescale") == 1);
}

TEST_CASE("an autoscaler waits before it scales down, unless it is told not to") {
  Scaled waits;
  waits.use("10m");
  waits.autoscale();
  CHECK(waits.replicas() == 2);
  CHECK(testing::condition(waits.hpa(), "AbleToScale") == "ScaleDownStabilized");
  Scaled goes;
  goes.use("10m");
  goes.autoscale("behavior: {scaleDown: {stabilizationWindowSeconds: 0}}, ");
  CHECK(goes.replicas() == 1);
}

TEST_CASE("an autoscaler without metrics, or without a target, changes nothing and says so") {
  Scaled scaled;
  scaled.autoscale();
  CHECK(scaled.replicas() == 2);
  CHECK(testing::condition(scaled.hpa(), "ScalingActive") == "FailedGetResourceMetric");
  scaled.use("100m");
  scaled.world.settle(16s);
  CHECK(scaled.replicas() == 4);
  scaled.world.server.erase(api::resources::kDeployments, api::Key("default", "web"));
  scaled.world.settle(16s);
  CHECK(testing::condition(scaled.hpa(), "AbleToScale") == "FailedGetScale");
}

TEST_CASE("bounds are kept without metrics, and a target of zero is left alone") {
  Scaled scaled;
  scaled.use("50m");
  testing::edit(scaled.world, api::resources::kDeployments, "web",
                [](api::Json& json) { api::set(json, "spec.replicas", 9); });
  scaled.autoscale();
  CHECK(scaled.replicas() == 5);
  testing::edit(scaled.world, api::resources::kDeployments, "web",
                [](api::Json& json) { api::set(json, "spec.replicas", 0); });
  scaled.world.settle(16s);
  CHECK(scaled.replicas() == 0);
  CHECK(testing::condition(scaled.hpa(), "ScalingActive") == "ScalingDisabled");
}
