#include "quota/usage.h"

#include <catch2/catch.hpp>

using namespace mk;
using namespace mk::apiserver;
using api::Json;

namespace {

const api::Gvr kPods{"", "v1", "pods"}, kClaims{"", "v1", "persistentvolumeclaims"},
    kServices{"", "v1", "services"};

Json yaml(std::string_view text) {
  return api::parse_yaml(text).value();
}

std::string shown(const ResourceList& usage) {
  std::string out;
  for (const auto& [name, amount] : usage)
    out.append(out.empty() ? "" : " ").append(name).append("=").append(amount.str());
  return out;
}

bool in_scope(const char* quota, const api::Gvr& resource, const char* object) {
  return in_quota_scopes(quota_scopes(yaml(quota)), resource, yaml(object));
}

}  // namespace

TEST_CASE("what a pod takes: its containers, the peak of its start, overhead, extended resources") {
  CHECK(shown(quota_usage(kPods, yaml(R"({spec: {overhead: {cpu: 10m, memory: 1Mi}, containers: [
      {name: a, resources: {requests: {cpu: 100m, memory: 10Mi, example.com/gpu: '2'}, limits: {cpu: '1', example.com/gpu: '2'}}},
      {name: b, resources: {requests: {cpu: 200m}}}],
      initContainers: [{name: i, resources: {requests: {cpu: 500m}}}]}})"))) ==
        "count/pods=1 cpu=510m limits.cpu=1010m memory=11Mi pods=1 requests.cpu=510m "
        "requests.example.com/gpu=2 requests.memory=11Mi");
  CHECK(shown(quota_usage(kPods, yaml("{spec: {containers: [{name: a, resources: {requests: {cpu: 1}}}]}, "
                                      "status: {phase: Failed}}"))) == "count/pods=1");
}

TEST_CASE("what claims and services take") {
  CHECK(
      shown(quota_usage(kClaims,
                        yaml("{spec: {storageClassName: gold, resources: {requests: {storage: 1Gi}}}}"))) ==
      "count/persistentvolumeclaims=1 "
      "gold.storageclass.storage.k8s.io/persistentvolumeclaims=1 "
      "gold.storageclass.storage.k8s.io/requests.storage=1Gi persistentvolumeclaims=1 requests.storage=1Gi");
  CHECK(shown(quota_usage(kServices, yaml("{spec: {type: NodePort, ports: [{port: 1}, {port: 2}]}}"))) ==
        "count/services=1 services=1 services.nodeports=2");
  CHECK(shown(quota_usage(kServices, yaml("{spec: {type: LoadBalancer, allocateLoadBalancerNodePorts: "
                                          "false, ports: [{port: 1, nodePort: 30000}, {port: 2}]}}"))) ==
        "count/services=1 services=1 services.loadbalancers=1 services.nodeports=1");
  CHECK(shown(quota_usage(kServices, yaml("{spec: {type: ClusterIP, ports: [{port: 1}]}}"))) ==
        "count/services=1 services=1");
}

TEST_CASE("objects of any kind are counted by resource and group") {
  CHECK(shown(quota_usage({"apps", "v1", "replicasets"}, yaml("{}"))) == "count/replicasets.apps=1");
  CHECK(shown(quota_usage({"stable.example.com", "v1", "crontabs"}, yaml("{}"))) ==
        "count/crontabs.stable.example.com=1");
  CHECK(shown(quota_usage({"", "v1", "secrets"}, yaml("{}"))) == "count/secrets=1 secrets=1");
}

TEST_CASE("devices are counted by class, of alternatives the costliest") {
  CHECK(shown(quota_usage({"resource.k8s.io", "v1", "resourceclaims"}, yaml(R"({spec: {devices: {requests: [
      {name: a, exactly: {deviceClassName: gpu, allocationMode: ExactCount, count: 2}},
      {name: b, firstAvailable: [{name: x, deviceClassName: gpu, count: 1}, {name: y, deviceClassName: gpu, count: 3},
                                 {name: z, deviceClassName: nic, allocationMode: All}]}]}}})"))) ==
        "count/resourceclaims.resource.k8s.io=1 gpu.deviceclass.resource.k8s.io/devices=5 "
        "nic.deviceclass.resource.k8s.io/devices=32");
}

TEST_CASE("the scopes of a quota") {
  CHECK(in_scope("{spec: {scopes: [Terminating]}}", kPods, "{spec: {activeDeadlineSeconds: 0}}"));
  CHECK_FALSE(in_scope("{spec: {scopes: [NotTerminating]}}", kPods, "{spec: {activeDeadlineSeconds: 5}}"));
  CHECK(in_scope("{spec: {scopes: [BestEffort, NotTerminating]}}", kPods, "{spec: {containers: [{}]}}"));
  CHECK_FALSE(in_scope("{spec: {scopes: [NotBestEffort]}}", kPods, "{spec: {containers: [{}]}}"));
  CHECK_FALSE(in_scope("{spec: {scopes: [BestEffort]}}", kServices, "{}"));
  const auto* high =
      "{spec: {scopeSelector: {matchExpressions: [{scopeName: PriorityClass, operator: In, values: "
      "[high]}]}}}";
  CHECK(in_scope(high, kPods, "{spec: {priorityClassName: high}}"));
  CHECK_FALSE(in_scope(high, kPods, "{spec: {priorityClassName: low}}"));
  const auto* absent =
      "{spec: {scopeSelector: {matchExpressions: [{scopeName: PriorityClass, operator: DoesNotExist}]}}}";
  CHECK(in_scope(absent, kPods, "{spec: {}}"));
  CHECK_FALSE(in_scope(absent, kPods, "{spec: {priorityClassName: low}}"));
  CHECK(in_scope("{spec: {scopes: [CrossNamespacePodAffinity]}}", kPods,
                 "{spec: {affinity: {podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: "
                 "[{podAffinityTerm: {namespaces: [x]}}]}}}}"));
  const auto* gold =
      "{spec: {scopeSelector: {matchExpressions: [{scopeName: VolumeAttributesClass, operator: In, values: "
      "[gold]}]}}}";
  CHECK(in_scope(gold, kClaims, "{status: {currentVolumeAttributesClassName: gold}}"));
  CHECK_FALSE(in_scope(gold, kClaims, "{spec: {volumeAttributesClassName: silver}}"));
}

TEST_CASE("which resources a limit is about") {
  const auto one = [](const char* name) {
    const auto found = counted_resources(name);
    return found.size() == 1 ? found[0].qualified() : "";
  };
  CHECK(one("count/replicasets.apps") == "replicasets.apps");
  CHECK(one("requests.cpu") == "pods");
  CHECK(one("requests.example.com/gpu") == "pods");
  CHECK(one("requests.storage") == "persistentvolumeclaims");
  CHECK(one("gold.storageclass.storage.k8s.io/requests.storage") == "persistentvolumeclaims");
  CHECK(one("services.nodeports") == "services");
  CHECK(one("gpu.deviceclass.resource.k8s.io/devices") == "resourceclaims.resource.k8s.io");
  CHECK(counted_resources("example.com/unknown").empty());
}

TEST_CASE("containers under a compute quota must say what they take") {
  const ResourceList hard{{"limits.cpu", api::Quantity::of(1)}, {"requests.memory", api::Quantity::of(1)}};
  CHECK(missing_amounts(hard, yaml("{spec: {containers: [{name: b}, {name: a, resources: {limits: {cpu: "
                                   "'1'}}}]}}")) ==
        "must specify limits.cpu for: b; requests.memory for: a,b");
  CHECK(missing_amounts(hard, yaml("{spec: {resources: {limits: {cpu: '1'}, requests: {memory: 1Mi}}, "
                                   "containers: [{name: b}]}}"))
            .empty());
}
