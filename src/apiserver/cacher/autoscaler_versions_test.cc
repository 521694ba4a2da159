#include "cacher/autoscaler_versions.h"

#include <catch2/catch.hpp>

#include "registry/test_api.h"

using namespace mk;
using namespace mk::apiserver;
using namespace mk::apiserver::testing;
using api::Json;

namespace {

const std::string kTarget =
    "maxReplicas: 5, minReplicas: 1, scaleTargetRef: {kind: Deployment, name: d, apiVersion: apps/v1}";

std::string autoscaler(const std::string& version, const std::string& more) {
  return "{apiVersion: autoscaling/" + version +
         ", kind: HorizontalPodAutoscaler, metadata: {name: h, namespace: default}, spec: {" + kTarget +
         more + "}}";
}

}  // namespace

TEST_CASE("an autoscaler of autoscaling/v1 is one of v2, whichever is read") {
  TestApi api;
  const api::Gvr v1{"autoscaling", "v1", "horizontalpodautoscalers"},
      v2{"autoscaling", "v2", "horizontalpodautoscalers"};
  const api::Key key("default", "h");
  api.create(autoscaler("v1", ", targetCPUUtilizationPercentage: 60"));
  const Json stored = api.cacher().get(v2, key).json();
  CHECK(api::str(stored, "apiVersion") == "autoscaling/v2");
  CHECK(
      api::list(stored, "spec.metrics") ==
      TestApi::yaml(
          "[{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 60}}}]"));
  const Json shown = api.cacher().get(v1, key).json();
  CHECK(api::str(shown, "apiVersion") == "autoscaling/v1");
  CHECK(api::num(shown, "spec.targetCPUUtilizationPercentage") == 60);
  CHECK(api::find(shown, "spec.metrics") == nullptr);
}

TEST_CASE("an autoscaler without a target uses CPU to 80 percent") {
  const Json stored = autoscaler_for_store(TestApi::yaml(autoscaler("v1", "")));
  CHECK(api::num(api::list(stored, "spec.metrics").at(0), "resource.target.averageUtilization") == 80);
}

TEST_CASE("what autoscaling/v1 has no fields for goes through its annotations and back") {
  Json stored =
      TestApi::yaml(autoscaler("v2", R"(, behavior: {scaleDown: {stabilizationWindowSeconds: 5}}, metrics: [
    {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}},
    {type: Resource, resource: {name: memory, target: {type: AverageValue, averageValue: 1Gi}}},
    {type: Pods, pods: {metric: {name: p, selector: {matchLabels: {a: b}}}, target: {type: AverageValue, averageValue: "5"}}},
    {type: Object, object: {describedObject: {kind: Service, name: s}, metric: {name: o}, target: {type: Value, value: "7"}}},
    {type: External, external: {metric: {name: e}, target: {type: AverageValue, averageValue: "9"}}}])"));
  api::set(stored, "status",
           TestApi::yaml(R"({currentReplicas: 2, conditions: [{type: AbleToScale, status: "True"}],
    currentMetrics: [{type: Resource, resource: {name: cpu, current: {averageUtilization: 30, averageValue: 10m}}}]})"));
  const Json shown = autoscaler_for_view(stored);
  CHECK(api::num(shown, "status.currentCPUUtilizationPercentage") == 30);
  const auto& annotations = api::object(shown, "metadata.annotations");
  CHECK(annotations.size() == 4);
  CHECK(
      std::string(annotations.at("autoscaling.alpha.kubernetes.io/metrics").as_string())
          .find(
              R"({"type":"Pods","pods":{"metricName":"p","selector":{"matchLabels":{"a":"b"}},"targetAverageValue":"5"}})") !=
      std::string::npos);
  CHECK(autoscaler_for_store(shown) == stored);
}
