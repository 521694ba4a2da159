#include "registry/strategies/test_cluster.h"

using namespace mk;
using namespace mk::apiserver;
using namespace mk::apiserver::testing;
using api::Json;

namespace {

const char* const kPod = R"(
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: default}
spec: {containers: [{name: main, image: nginx:1.27}]}
)";

// A namespace and its service account: what every pod needs.
void furnish(TestCluster& cluster) {
  cluster.put("{apiVersion: v1, kind: Namespace, metadata: {name: default}, status: {phase: Active}}");
  cluster.put("{apiVersion: v1, kind: ServiceAccount, metadata: {name: default, namespace: default}}");
}

Result<Json> admitted(TestCluster& cluster, std::string_view patch = "{}") {
  return cluster.create(TestCluster::patched(TestCluster::parse(kPod), patch), true);
}

Json good(TestCluster& cluster, std::string_view patch = "{}") {
  auto pod = admitted(cluster, patch);
  if (!pod.ok()) FAIL(pod.error().message());
  return std::move(*pod);
}

std::string refused(TestCluster& cluster, std::string_view patch = "{}") {
  auto pod = admitted(cluster, patch);
  REQUIRE(!pod.ok());
  return pod.error().message();
}

}  // namespace

TEST_CASE("NamespaceLifecycle") {
  TestCluster cluster;
  auto missing = admitted(cluster);
  REQUIRE(!missing.ok());
  CHECK(missing.error().is(Reason::kNotFound));
  CHECK(missing.error().message() == "namespaces \"default\" not found");
  cluster.put(
      "{apiVersion: v1, kind: Namespace, metadata: {name: default, deletionTimestamp: "
      "'2026-01-01T00:00:00Z'}, status: {phase: Terminating}}");
  auto ending = admitted(cluster);
  REQUIRE(!ending.ok());
  CHECK(ending.error().is(Reason::kForbidden));
  CHECK(ending.error().message() ==
        "pods \"web\" is forbidden: unable to create new content in namespace default because it is being "
        "terminated");
  CHECK(ending.error().causes[0].type == "NamespaceTerminating");
  auto immortal = cluster.remove_admitted(
      TestCluster::parse("{apiVersion: v1, kind: Namespace, metadata: {name: kube-system}}"));
  REQUIRE(!immortal.ok());
  CHECK(immortal.error().message() ==
        "namespaces \"kube-system\" is forbidden: this namespace may not be deleted");
  CHECK(
      cluster.remove_admitted(TestCluster::parse("{apiVersion: v1, kind: Namespace, metadata: {name: mine}}"))
          .ok());
}

TEST_CASE("ServiceAccount mounts a token") {
  TestCluster cluster;
  furnish(cluster);
  const Json pod = good(cluster, "{spec: {initContainers: [{name: i, image: x}]}}");
  CHECK(api::str(pod, "spec.serviceAccountName") == "default");
  CHECK(api::str(pod, "spec.serviceAccount") == "default");
  const Json& volume = api::list(pod, "spec.volumes")[0];
  const std::string name(api::str(volume, "name"));
  CHECK(name.find("kube-api-access-") == 0);
  CHECK(name.size() == std::string("kube-api-access-").size() + 5);
  CHECK(*api::find(volume, "projected") == TestCluster::parse(R"(
defaultMode: 420
sources:
- serviceAccountToken: {expirationSeconds: 3607, path: token}
- configMap: {name: kube-root-ca.crt, items: [{key: ca.crt, path: ca.crt}]}
- downwardAPI: {items: [{path: namespace, fieldRef: {apiVersion: v1, fieldPath: metadata.namespace}}]}
)"));
  for (const auto field : {"spec.containers", "spec.initContainers"}) {
    const Json& mount = api::list(api::list(pod, field)[0], "volumeMounts")[0];
    CHECK(api::str(mount, "name") == name);
    CHECK(api::str(mount, "mountPath") == "/var/run/secrets/kubernetes.io/serviceaccount");
    CHECK(api::flag(mount, "readOnly"));
  }
}

TEST_CASE("ServiceAccount: missing accounts, pull secrets, and no token where none is wanted") {
  TestCluster cluster;
  furnish(cluster);
  CHECK(refused(cluster, "{spec: {serviceAccountName: robot}}") ==
        "pods \"web\" is forbidden: error looking up service account default/robot: serviceaccount \"robot\" "
        "not found");
  cluster.put(
      "{apiVersion: v1, kind: ServiceAccount, metadata: {name: robot, namespace: default}, "
      "automountServiceAccountToken: false, "
      "imagePullSecrets: [{name: registry}]}");
  const Json pod = good(cluster, "{spec: {serviceAccountName: robot}}");
  CHECK(api::list(pod, "spec.volumes").empty());
  CHECK(api::str(api::list(pod, "spec.imagePullSecrets")[0], "name") == "registry");
  const Json own = good(cluster, "{spec: {serviceAccountName: robot, automountServiceAccountToken: true}}");
  CHECK(api::list(own, "spec.volumes").size() == 1);
}

TEST_CASE("Priority") {
  TestCluster cluster;
  furnish(cluster);
  CHECK(api::num(good(cluster), "spec.priority", -1) == 0);
  CHECK(api::str(good(cluster), "spec.preemptionPolicy") == "PreemptLowerPriority");
  CHECK(refused(cluster, "{spec: {priorityClassName: high}}") ==
        "pods \"web\" is forbidden: no PriorityClass with name high was found");
  cluster.put(
      "{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: high}, value: 1000, "
      "preemptionPolicy: Never}");
  const Json pod = good(cluster, "{spec: {priorityClassName: high}}");
  CHECK(api::num(pod, "spec.priority") == 1000);
  CHECK(api::str(pod, "spec.preemptionPolicy") == "Never");
  CHECK(refused(cluster, "{spec: {priority: 5}}") ==
        "pods \"web\" is forbidden: the integer value of priority (5) must not be provided in pod spec; "
        "priority admission controller "
        "computed 0 from the given PriorityClass name");
  cluster.put(
      "{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: usual}, value: 7, "
      "globalDefault: true}");
  CHECK(api::str(good(cluster), "spec.priorityClassName") == "usual");
  CHECK(api::num(good(cluster), "spec.priority") == 7);
}

TEST_CASE("DefaultTolerationSeconds and TaintNodesByCondition") {
  TestCluster cluster;
  furnish(cluster);
  const Json pod = good(
      cluster,
      "{spec: {tolerations: [{key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute}]}}");
  CHECK(*api::find(pod, "spec.tolerations") == TestCluster::parse(R"(
- {key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute}
- {key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 300}
)"));
  auto node = cluster.create(TestCluster::parse("{apiVersion: v1, kind: Node, metadata: {name: n}}"), true);
  REQUIRE(node.ok());
  CHECK(*api::find(*node, "spec.taints") ==
        TestCluster::parse("[{key: node.kubernetes.io/not-ready, effect: NoSchedule}]"));
}

TEST_CASE("LimitRanger fills in and refuses") {
  TestCluster cluster;
  furnish(cluster);
  cluster.put(
      "{apiVersion: v1, kind: LimitRange, metadata: {name: l, namespace: default}, spec: {limits: [{type: "
      "Container, min: {cpu: 100m}, "
      "max: {cpu: '1'}, default: {cpu: 500m}, defaultRequest: {cpu: 200m}}]}}");
  const Json pod = good(cluster);
  CHECK(*api::find(api::list(pod, "spec.containers")[0], "resources") ==
        TestCluster::parse("{requests: {cpu: 200m}, limits: {cpu: 500m}}"));
  CHECK(api::Object(pod).annotation("kubernetes.io/limit-ranger") ==
        "LimitRanger plugin set: cpu request for container main; cpu limit for container main");
  CHECK(api::str(pod, "status.qosClass") == "Burstable");
  CHECK(refused(cluster, "{spec: {containers: [{name: main, image: x, resources: {limits: {cpu: '2'}}}]}}") ==
        "pods \"web\" is forbidden: [maximum cpu usage per Container is 1, but limit is 2, maximum cpu usage "
        "per Container is 1, but "
        "request is 2]");
  CHECK(
      refused(cluster, "{spec: {containers: [{name: main, image: x, resources: {requests: {cpu: 50m}}}]}}") ==
      "pods \"web\" is forbidden: minimum cpu usage per Container is 100m, but request is 50m");
}

TEST_CASE("RuntimeClass") {
  TestCluster cluster;
  furnish(cluster);
  CHECK(refused(cluster, "{spec: {runtimeClassName: vm}}") ==
        "pods \"web\" is forbidden: pod rejected: RuntimeClass \"vm\" not found");
  cluster.put(
      "{apiVersion: node.k8s.io/v1, kind: RuntimeClass, metadata: {name: vm}, handler: vm, overhead: "
      "{podFixed: {cpu: 10m}}, "
      "scheduling: {nodeSelector: {vm: 'yes'}}}");
  const Json pod = good(cluster, "{spec: {runtimeClassName: vm}}");
  CHECK(api::str(pod, "spec.overhead.cpu") == "10m");
  CHECK(api::str(pod, "spec.nodeSelector.vm") == "yes");
}

TEST_CASE("storage and ingress defaults") {
  TestCluster cluster;
  furnish(cluster);
  cluster.put(
      "{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: local, annotations: "
      "{storageclass.kubernetes.io/is-default-class: 'true'}}, provisioner: a/b}");
  auto claim = cluster.create(
      TestCluster::parse(
          "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: c}, spec: {accessModes: "
          "[ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}"),
      true);
  REQUIRE(claim.ok());
  CHECK(api::str(*claim, "spec.storageClassName") == "local");
  CHECK(*api::find(*claim, "metadata.finalizers") == Json(api::JsonArray{"kubernetes.io/pvc-protection"}));
  Json bound = TestCluster::patched(*claim, "{status: {phase: Bound, capacity: {storage: 1Gi}}}");
  auto grown =
      cluster.update(TestCluster::patched(bound, "{spec: {resources: {requests: {storage: 2Gi}}}}"), bound);
  REQUIRE(!grown.ok());
  CHECK(grown.error().message() ==
        "persistentvolumeclaims \"c\" is forbidden: only dynamically provisioned pvc can be resized and the "
        "storageclass that "
        "provisions the pvc must support resize");
}
