#include "registry/strategies/fields.h"
#include "registry/strategies/pod_binding.h"
#include "registry/strategies/pod_eviction.h"
#include "registry/strategies/resources.h"
#include "registry/strategies/test_cluster.h"

using namespace mk;
using namespace mk::apiserver;
using namespace mk::apiserver::testing;
using api::Json;

namespace {

const char* const kPod = R"(
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: default, labels: {app: web}}
spec:
  containers:
  - name: main
    image: nginx:1.27
)";

struct Case {
  const char* patch;
  Texts problems;
};

void check_creates(const char* manifest, const std::vector<Case>& cases) {
  TestCluster cluster;
  for (const auto& [patch, problems] : cases) {
    INFO(patch);
    CHECK(TestCluster::problems(cluster.create(TestCluster::patched(TestCluster::parse(manifest), patch))) ==
          problems);
  }
}

Json created(std::string_view patch = "{}") {
  TestCluster cluster;
  auto pod = cluster.create(TestCluster::patched(TestCluster::parse(kPod), patch));
  if (!pod.ok()) FAIL(pod.error().message());
  api::set(*pod, "metadata.resourceVersion", "7");
  return std::move(*pod);
}

}  // namespace

TEST_CASE("a pod gets Kubernetes' defaults") {
  const Json pod = created();
  const Json expected = TestCluster::parse(R"(
containers:
- name: main
  image: nginx:1.27
  imagePullPolicy: IfNotPresent
  resources: {}
  terminationMessagePath: /dev/termination-log
  terminationMessagePolicy: File
dnsPolicy: ClusterFirst
enableServiceLinks: true
restartPolicy: Always
schedulerName: default-scheduler
securityContext: {}
terminationGracePeriodSeconds: 30
)");
  CHECK(*api::find(pod, "spec") == expected);
  CHECK(*api::find(pod, "status") == TestCluster::parse("{phase: Pending, qosClass: BestEffort}"));
}

TEST_CASE("defaults of a pod that depend on its other fields") {
  const Json pod = created(R"(
spec:
  hostNetwork: true
  serviceAccount: robot
  volumes:
  - {name: scratch}
  - {name: config, configMap: {name: c}}
  - {name: all, projected: {sources: [{serviceAccountToken: {path: token}}]}}
  containers:
  - name: main
    image: nginx
    ports: [{containerPort: 80}]
    resources: {limits: {cpu: "1", memory: 1Gi}, requests: {cpu: 500m}}
    env: [{name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}]
    livenessProbe: {httpGet: {port: 80}}
)");
  const Json& main = api::list(pod, "spec.containers")[0];
  CHECK(api::str(main, "imagePullPolicy") == "Always");
  CHECK(*api::find(main, "resources") ==
        TestCluster::parse("{limits: {cpu: '1', memory: 1Gi}, requests: {cpu: 500m, memory: 1Gi}}"));
  CHECK(api::list(main, "ports")[0] ==
        TestCluster::parse("{containerPort: 80, hostPort: 80, protocol: TCP}"));
  CHECK(
      *api::find(main, "livenessProbe") ==
      TestCluster::parse("{httpGet: {path: /, port: 80, scheme: HTTP}, timeoutSeconds: 1, periodSeconds: 10, "
                         "successThreshold: 1, failureThreshold: 3}"));
  CHECK(api::str(api::list(main, "env")[0], "valueFrom.fieldRef.apiVersion") == "v1");
  CHECK(api::str(pod, "spec.serviceAccountName") == "robot");
  CHECK(api::list(pod, "spec.volumes")[0] == TestCluster::parse("{name: scratch, emptyDir: {}}"));
  CHECK(api::num(api::list(pod, "spec.volumes")[1], "configMap.defaultMode") == 0644);
  CHECK(api::list(pod, "spec.volumes")[2] ==
        TestCluster::parse(
            "{name: all, projected: {defaultMode: 420, sources: [{serviceAccountToken: {path: token, "
            "expirationSeconds: 3600}}]}}"));
  CHECK(api::str(pod, "status.qosClass") == "Burstable");
}

TEST_CASE("images decide the pull policy") {
  const std::pair<const char*, const char*> cases[] = {{"nginx", "Always"},
                                                       {"nginx:latest", "Always"},
                                                       {"nginx:1", "IfNotPresent"},
                                                       {"host:5000/nginx", "Always"},
                                                       {"host:5000/nginx:1", "IfNotPresent"},
                                                       {"nginx@sha256:abc", "IfNotPresent"}};
  for (const auto& [image, policy] : cases) {
    const Json pod = created(std::string("spec: {containers: [{name: main, image: '") + image + "'}]}");
    CHECK(api::str(api::list(pod, "spec.containers")[0], "imagePullPolicy") == policy);
  }
}

TEST_CASE("bad pods are refused in Kubernetes' words") {
  check_creates(
      kPod,
      {
          {"spec: {containers: []}", {"spec.containers: Required value"}},
          {"spec: {containers: [{name: main}]}", {"spec.containers[0].image: Required value"}},
          {"spec: {containers: [{image: x}]}", {"spec.containers[0].name: Required value"}},
          {"spec: {containers: [{name: a, image: x}, {name: a, image: y}]}",
           {"spec.containers[1].name: Duplicate value: \"a\""}},
          {"spec: {containers: [{name: A_, image: x}]}",
           {"spec.containers[0].name: Invalid value: \"A_\": a lowercase RFC 1123 label must consist of "
            "lower case alphanumeric "
            "characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or "
            "'123-abc', regex used "
            "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"}},
          {"spec: {restartPolicy: Sometimes}",
           {"spec.restartPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", \"Never\", "
            "\"OnFailure\""}},
          {"spec: {terminationGracePeriodSeconds: -1}",
           {"spec.terminationGracePeriodSeconds: Invalid value: -1: must be greater than or equal to 0"}},
          {"spec: {activeDeadlineSeconds: 0}",
           {"spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive"}},
          {"spec: {ephemeralContainers: [{name: debug, image: x}]}",
           {"spec.ephemeralContainers: Forbidden: cannot be set on create"}},
          {"spec: {nodeName: n, schedulingGates: [{name: a.b/c}]}",
           {"spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared"}},
          {"spec: {dnsPolicy: None}",
           {"spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"}},
      });
}

TEST_CASE("bad containers are refused in Kubernetes' words") {
  check_creates(
      kPod,
      {
          {"spec: {containers: [{name: a, image: x, resources: {limits: {cpu: '1'}, requests: {cpu: '2'}}}]}",
           {"spec.containers[0].resources.requests: Invalid value: \"2\": must be less than or equal to cpu "
            "limit of 1"}},
          {"spec: {containers: [{name: a, image: x, resources: {requests: {disk: '2'}}}]}",
           {"spec.containers[0].resources.requests[disk]: Invalid value: \"disk\": must be a standard "
            "resource for containers"}},
          {"spec: {containers: [{name: a, image: x, resources: {requests: {example.com/gpu: '2'}}}]}",
           {"spec.containers[0].resources.limits: Required value: Limit must be set for non overcommitable "
            "resources"}},
          {"spec: {containers: [{name: a, image: x, env: [{name: A, value: b, valueFrom: {fieldRef: "
           "{fieldPath: metadata.name}}}]}]}",
           {"spec.containers[0].env[0].valueFrom: Invalid value: \"\": may not be specified when `value` is "
            "not empty"}},
          {"spec: {containers: [{name: a, image: x, env: [{name: A, valueFrom: {fieldRef: {fieldPath: "
           "status.phase}}}]}]}",
           {"spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Unsupported value: \"status.phase\": "
            "supported values: "
            "\"metadata.name\", \"metadata.namespace\", \"metadata.uid\", \"spec.nodeName\", "
            "\"spec.serviceAccountName\", "
            "\"status.hostIP\", \"status.hostIPs\", \"status.podIP\", \"status.podIPs\""}},
          {"spec: {containers: [{name: a, image: x, ports: [{containerPort: 70000}]}]}",
           {"spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, "
            "inclusive"}},
          {"spec: {containers: [{name: a, image: x, ports: [{containerPort: 1, hostPort: 1}, {containerPort: "
           "2, hostPort: 1}]}]}",
           {"spec.containers[0].ports[1].hostPort: Duplicate value: \"TCP//1\""}},
          {"spec: {containers: [{name: a, image: x, livenessProbe: {}}]}",
           {"spec.containers[0].livenessProbe: Required value: must specify a handler type"}},
          {"spec: {containers: [{name: a, image: x, livenessProbe: {exec: {command: [a]}, successThreshold: "
           "2}}]}",
           {"spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1"}},
          {"spec: {initContainers: [{name: i, image: x, readinessProbe: {exec: {command: [a]}}}]}",
           {"spec.initContainers[0].readinessProbe: Forbidden: may not be set for init containers without "
            "restartPolicy=Always"}},
          {"spec: {initContainers: [{name: i, image: x, restartPolicy: Always, readinessProbe: {exec: "
           "{command: [a]}}}]}",
           {}},
          {"spec: {containers: [{name: a, image: x, volumeMounts: [{name: none, mountPath: /a}]}]}",
           {"spec.containers[0].volumeMounts[0].name: Not found: \"none\""}},
          {"spec: {containers: [{name: a, image: x, securityContext: {runAsUser: -1}}]}",
           {"spec.containers[0].securityContext.runAsUser: Invalid value: -1: must be between 0 and "
            "2147483647, inclusive"}},
          {"spec: {containers: [{name: a, image: x, lifecycle: {preStop: {sleep: {seconds: 60}}}}]}",
           {"spec.containers[0].lifecycle.preStop.sleep: Invalid value: 60: must be non-negative and less "
            "than "
            "terminationGracePeriodSeconds (30)"}},
      });
}

TEST_CASE("bad volumes and scheduling are refused in Kubernetes' words") {
  check_creates(
      kPod,
      {
          {"spec: {volumes: [{name: v, emptyDir: {}, hostPath: {path: /x}}]}",
           {"spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type"}},
          {"spec: {volumes: [{name: v}, {name: v}]}", {"spec.volumes[1].name: Duplicate value: \"v\""}},
          {"spec: {volumes: [{name: v, secret: {secretName: s, defaultMode: 512}}]}",
           {"spec.volumes[0].secret.defaultMode: Invalid value: 512: must be a number between 0 and 0777 "
            "(octal), both inclusive"}},
          {"spec: {volumes: [{name: v, hostPath: {path: /a/../b}}]}",
           {"spec.volumes[0].hostPath.path: Invalid value: \"/a/../b\": must not contain '..'"}},
          {"spec: {tolerations: [{key: a, operator: Exists, value: b}]}",
           {"spec.tolerations[0].operator: Invalid value: "
            "{\"key\":\"a\",\"operator\":\"Exists\",\"value\":\"b\"}: value must be "
            "empty when `operator` is 'Exists'"}},
          {"spec: {tolerations: [{key: a, operator: Exists, effect: NoSchedule, tolerationSeconds: 3}]}",
           {"spec.tolerations[0].effect: Invalid value: \"NoSchedule\": effect must be 'NoExecute' when "
            "`tolerationSeconds` is set"}},
          {"spec: {affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: "
           "{nodeSelectorTerms: []}}}}",
           {"spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: "
            "Required value: must have "
            "at least one node selector term"}},
          {"spec: {affinity: {podAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: "
           "''}]}}}",
           {"spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: "
            "Required value: can not be empty",
            "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: "
            "Invalid value: \"\": name part "
            "must be non-empty; name part must consist of alphanumeric characters, '-', '_' or '.', and must "
            "start and end with an "
            "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation "
            "is "
            "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"}},
          {"spec: {topologySpreadConstraints: [{maxSkew: 0, topologyKey: zone, whenUnsatisfiable: "
           "DoNotSchedule}]}",
           {"spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero"}},
          {"spec: {schedulingGates: [{name: a/b}, {name: a/b}]}",
           {"spec.schedulingGates[1]: Duplicate value: \"a/b\""}},
      });
}

TEST_CASE("of a pod that exists little may change") {
  TestCluster cluster;
  const Json pod = created("spec: {activeDeadlineSeconds: 100, tolerations: [{key: a, operator: Exists}]}");
  const auto change = [&](std::string_view patch) {
    return TestCluster::problems(cluster.update(TestCluster::patched(pod, patch), pod));
  };
  CHECK(change("{metadata: {labels: {more: 'yes'}}}") == Texts());
  CHECK(change("{spec: {activeDeadlineSeconds: 50}}") == Texts());
  CHECK(
      change("{spec: {activeDeadlineSeconds: 150}}") ==
      Texts{"spec.activeDeadlineSeconds: Invalid value: 150: must be less than or equal to previous value"});
  CHECK(change("{spec: {activeDeadlineSeconds: null}}") ==
        Texts{"spec.activeDeadlineSeconds: Invalid value: null: must not update from a positive integer to "
              "nil value"});
  CHECK(change("{spec: {tolerations: [{key: a, operator: Exists}, {key: b, operator: Exists}]}}") == Texts());
  CHECK(change("{spec: {tolerations: [{key: b, operator: Exists}]}}") ==
        Texts{"spec.tolerations: Forbidden: existing toleration can not be modified except its "
              "tolerationSeconds"});
  const auto denied = change("{spec: {nodeName: elsewhere}}");
  REQUIRE(denied.size() == 1);
  CHECK(denied[0].find(
            "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`") == 0);

  Json image = pod;
  api::set((*edit_list(image, "spec.containers"))[0], "image", "nginx:2");
  CHECK(TestCluster::problems(cluster.update(image, pod)) == Texts());
  // A status cannot come in by the front door.
  auto status = cluster.update(TestCluster::patched(pod, "{status: {phase: Running}}"), pod);
  REQUIRE(status.ok());
  CHECK(api::str(*status, "status.phase") == "Pending");
}

TEST_CASE("ephemeral containers are only ever added, by their own subresource") {
  TestCluster cluster;
  const Json pod = created();
  auto debugged = cluster.update(
      TestCluster::patched(pod, "{spec: {nodeName: x, ephemeralContainers: [{name: d, image: x}]}}"), pod,
      "ephemeralcontainers");
  REQUIRE(debugged.ok());
  CHECK(api::str(*debugged, "spec.nodeName").empty());
  CHECK(api::str(api::list(*debugged, "spec.ephemeralContainers")[0], "imagePullPolicy") == "Always");
  CHECK(
      TestCluster::problems(cluster.update(pod, *debugged, "ephemeralcontainers")) ==
      Texts{"spec.ephemeralContainers: Forbidden: existing ephemeral containers \"d\" may not be removed\n"});
}

TEST_CASE("resize changes cpu and memory and nothing else") {
  TestCluster cluster;
  const Json pod =
      created("spec: {containers: [{name: main, image: x, resources: {requests: {cpu: 100m}}}]}");
  const auto resized = [&](const char* resources) {
    return cluster.update(
        TestCluster::patched(
            pod, std::string("spec: {nodeName: x, containers: [{name: main, image: other, resources: ") +
                     resources + "}]}"),
        pod, "resize");
  };
  auto more = resized("{requests: {cpu: 200m}}");
  REQUIRE(more.ok());
  CHECK(api::str(api::list(*more, "spec.containers")[0], "resources.requests.cpu") == "200m");
  CHECK(api::str(api::list(*more, "spec.containers")[0], "image") == "x");
  CHECK(TestCluster::problems(resized("{requests: {cpu: 200m}, limits: {cpu: 200m, memory: 1Gi}}")) ==
        Texts{"spec: Invalid value: \"Guaranteed\": Pod QOS Class may not change as a result of resizing"});
}

TEST_CASE("the grace of a pod") {
  TestCluster cluster;
  Json pod = created();
  auto& strategy = cluster.strategy(pod);
  CHECK(strategy.default_grace_seconds(pod) == 0);  // no node runs it
  api::set(pod, "spec.nodeName", "n");
  CHECK(strategy.default_grace_seconds(pod) == 30);
  api::set(pod, "spec.terminationGracePeriodSeconds", 0);
  CHECK(strategy.default_grace_seconds(pod) < 0);  // who deletes it may still ask for some
  api::set(pod, "status.phase", "Succeeded");
  CHECK(strategy.default_grace_seconds(pod) == 0);
}

TEST_CASE("binding gives a pod its node once") {
  Json pod = created();
  const Json binding = TestCluster::parse(
      "{apiVersion: v1, kind: Binding, metadata: {name: web}, target: {kind: Node, name: n1}}");
  REQUIRE(bind_pod(pod, binding, "2026-01-01T00:00:00Z").ok());
  CHECK(api::str(pod, "spec.nodeName") == "n1");
  CHECK(api::str(api::list(pod, "status.conditions")[0], "status") == "True");
  auto again = bind_pod(pod, binding, "2026-01-01T00:00:00Z");
  REQUIRE(!again.ok());
  CHECK(again.error().is(Reason::kConflict));
  CHECK(again.error().message() ==
        "Operation cannot be fulfilled on pods/binding \"web\": pod web is already assigned to node \"n1\"");
}

TEST_CASE("an eviction asks the budget") {
  Json pod = created("status: {}");
  api::set(pod, "status.phase", "Running");
  api::set(pod, "status.conditions", TestCluster::parse("[{type: Ready, status: 'True'}]"));
  const auto budget = [](const char* status) {
    return api::Object(TestCluster::parse(
        std::string("{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: b, "
                    "generation: 1}, spec: {selector: {matchLabels: {app: web}}}, status: ") +
        status + "}"));
  };
  auto free = plan_eviction(pod, {}, "now");
  REQUIRE(free.ok());
  CHECK(!free->budget);
  auto taken =
      plan_eviction(pod, {budget("{observedGeneration: 1, disruptionsAllowed: 1}")}, "2026-01-01T00:00:00Z");
  REQUIRE(taken.ok());
  CHECK(api::num(*taken->budget, "status.disruptionsAllowed", -1) == 0);
  CHECK(api::str(*taken->budget, "status.disruptedPods.web") == "2026-01-01T00:00:00Z");
  auto refused = plan_eviction(
      pod, {budget("{observedGeneration: 1, disruptionsAllowed: 0, desiredHealthy: 2, currentHealthy: 2}")},
      "now");
  REQUIRE(!refused.ok());
  CHECK(refused.error().is(Reason::kTooManyRequests));
  CHECK(refused.error().causes[0].message ==
        "The disruption budget b needs 2 healthy pods and has 2 currently");
  CHECK(!plan_eviction(pod, {budget("{disruptionsAllowed: 1}")}, "now")
             .ok());  // not seen by its controller yet
}

TEST_CASE("quality of service") {
  const std::pair<const char*, const char*> cases[] = {
      {"{containers: [{name: a}]}", "BestEffort"},
      {"{containers: [{resources: {requests: {cpu: '1'}}}]}", "Burstable"},
      {"{containers: [{resources: {requests: {cpu: '1', memory: 1Gi}, limits: {cpu: 1000m, memory: "
       "1024Mi}}}]}",
       "Guaranteed"},
      {"{containers: [{resources: {requests: {cpu: '1', memory: 1Gi}, limits: {cpu: '1', memory: 1Gi}}}, "
       "{name: b}]}",
       "Burstable"},
      {"{containers: [{resources: {requests: {ephemeral-storage: 1Gi}}}]}", "BestEffort"}};
  for (const auto& [spec, expected] : cases) {
    const Json parsed = TestCluster::parse(spec);
    CHECK(qos_class(parsed) == expected);
  }
}

TEST_CASE("a gated pod may still be steered, in one direction") {
  TestCluster cluster;
  const Json pod = created("spec: {schedulingGates: [{name: a/b}], nodeSelector: {disk: ssd}}");
  CHECK(api::str(api::list(pod, "status.conditions")[0], "reason") == "SchedulingGated");
  const auto change = [&](std::string_view patch) {
    return TestCluster::problems(cluster.update(TestCluster::patched(pod, patch), pod));
  };
  CHECK(change("{spec: {nodeSelector: {zone: a}}}") == Texts());
  CHECK(change("{spec: {schedulingGates: []}}") == Texts());
  CHECK(change("{spec: {nodeSelector: {disk: hdd}}}") ==
        Texts{"spec.nodeSelector: Invalid value: {\"disk\":\"hdd\"}: only additions to spec.nodeSelector are "
              "allowed (no mutations or "
              "deletions)"});
  CHECK(
      change("{spec: {schedulingGates: [{name: c/d}]}}") ==
      Texts{
          "spec.schedulingGates: Forbidden: only deletion is allowed, but found new scheduling gate 'c/d'"});
}
