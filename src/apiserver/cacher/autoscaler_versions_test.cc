#include <catch2/catch.hpp>

#include "cacher/autoscaler_versions.h"
#include "http/test_server.h"

using namespace mk;
using namespace mk::apiserver;

namespace {

const char* kFull = R"(
kind: HorizontalPodAutoscaler
apiVersion: autoscaling/v2
metadata: {name: web, annotations: {own: note}}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 1
  maxReplicas: 4
  metrics:
    - {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 60}}}
    - {type: Resource, resource: {name: memory, target: {type: AverageValue, averageValue: 10Mi}}}
    - {type: External, external: {metric: {name: queue}, target: {type: Value, value: "5"}}}
  behavior: {scaleDown: {stabilizationWindowSeconds: 0}}
status:
  currentReplicas: 2
  desiredReplicas: 3
  currentMetrics:
    - {type: Resource, resource: {name: cpu, current: {averageUtilization: 90, averageValue: 45m}}}
  conditions: [{type: AbleToScale, status: "True"}]
)";

}  // namespace

TEST_CASE("an autoscaler keeps all it has through the older version") {
  const api::Json full = *api::parse_yaml(kFull);
  const api::Json old = autoscaler_for_view(full);
  CHECK(is_old_autoscaler(old));
  CHECK(api::num(old, "spec.targetCPUUtilizationPercentage") == 60);
  CHECK(api::num(old, "status.currentCPUUtilizationPercentage") == 90);
  CHECK(api::find(old, "spec.metrics") == nullptr);
  const auto& notes = api::object(old, "metadata.annotations");
  CHECK(notes.at("autoscaling.alpha.kubernetes.io/metrics")
            .as_string()
            .find("\"targetAverageValue\":\"10Mi\"") != std::string::npos);
  CHECK(notes.contains("own"));
  CHECK(autoscaler_for_store(old) == full);
}

TEST_CASE("an autoscaler without a target follows the CPU at 80 per cent") {
  const api::Json shown = *api::parse_yaml(
      "{kind: HorizontalPodAutoscaler, apiVersion: autoscaling/v1, metadata: {name: a}, spec: {maxReplicas: "
      "2}}");
  const api::Json stored = autoscaler_for_store(shown);
  CHECK(api::num(api::list(stored, "spec.metrics")[0], "resource.target.averageUtilization") == 80);
  CHECK(api::find(stored, "metadata.annotations") == nullptr);
}

TEST_CASE("both versions of an autoscaler can be written and read") {
  apiserver::testing::TestServer server;
  const std::string v1 = "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers";
  const std::string v2 = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers";
  const auto made =
      server.post(v1, R"({apiVersion: autoscaling/v1, kind: HorizontalPodAutoscaler, metadata: {name: a},
    spec: {maxReplicas: 3, targetCPUUtilizationPercentage: 40, scaleTargetRef: {kind: Deployment, name: web, apiVersion: apps/v1}}})");
  CHECK(made.status == 201);
  CHECK(api::str(made.json(), "apiVersion") == "autoscaling/v1");
  CHECK(api::num(made.json(), "spec.targetCPUUtilizationPercentage") == 40);
  const auto shown = server.get(v2 + "/a").json();
  CHECK(api::str(shown, "apiVersion") == "autoscaling/v2");
  CHECK(api::num(api::list(shown, "spec.metrics")[0], "resource.target.averageUtilization") == 40);
  auto patch = server.request("PATCH", v1 + "/a", R"({"spec":{"targetCPUUtilizationPercentage":50}})",
                              "application/merge-patch+json");
  const auto patched = server.send(server.admin(), std::move(patch));
  CHECK(patched.status == 200);
  CHECK(api::num(patched.json(), "spec.targetCPUUtilizationPercentage") == 50);
  auto newer =
      server.request("PATCH", v2 + "/a", R"({"spec":{"maxReplicas":7}})", "application/merge-patch+json");
  CHECK(server.send(server.admin(), std::move(newer)).status == 200);
  const auto list = server.get(v1).json();
  REQUIRE(api::list(list, "items").size() == 1);
  CHECK(api::num(api::list(list, "items")[0], "spec.maxReplicas") == 7);
  CHECK(api::num(api::list(list, "items")[0], "spec.targetCPUUtilizationPercentage") == 50);
}
