#include "registry/strategies/test_cluster.h"

using namespace mk;
using namespace mk::apiserver;
using namespace mk::apiserver::testing;
using api::Json;

namespace {

Json made(TestCluster& cluster, std::string_view yaml) {
  auto object = cluster.create(TestCluster::parse(yaml));
  if (!object.ok()) FAIL(object.error().message());
  return std::move(*object);
}

Texts create_problems(std::string_view yaml) {
  TestCluster cluster;
  INFO(yaml);
  return TestCluster::problems(cluster.create(TestCluster::parse(yaml)));
}

Texts update_problems(std::string_view yaml, std::string_view patch) {
  TestCluster cluster;
  const Json old = made(cluster, yaml);
  INFO(yaml);
  return TestCluster::problems(cluster.update(TestCluster::patched(old, patch), old));
}

}  // namespace

TEST_CASE("ConfigMaps") {
  CHECK(create_problems("{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {a/b: x}}") ==
        Texts{"data[a/b]: Invalid value: \"a/b\": a valid config key must consist of alphanumeric "
              "characters, '-', '_' or '.' "
              "(e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is "
              "'[-._a-zA-Z0-9]+')"});
  const char* const frozen =
      "{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, immutable: true, data: {a: x}}";
  CHECK(update_problems(frozen, "{data: {a: y}}") ==
        Texts{"data: Forbidden: field is immutable when `immutable` is set"});
  CHECK(update_problems(frozen, "{immutable: false}") ==
        Texts{"immutable: Forbidden: field is immutable when `immutable` is set"});
  CHECK(update_problems(frozen, "{metadata: {labels: {a: b}}}") == Texts());
}

TEST_CASE("Secrets") {
  TestCluster cluster;
  const Json secret = made(
      cluster,
      "{apiVersion: v1, kind: Secret, metadata: {name: s}, data: {a: eA==}, stringData: {b: yz, a: new}}");
  CHECK(api::str(secret, "type") == "Opaque");
  CHECK(*api::find(secret, "data") == TestCluster::parse("{a: bmV3, b: eXo=}"));
  CHECK(api::find(secret, "stringData") == nullptr);
  CHECK(create_problems("{apiVersion: v1, kind: Secret, metadata: {name: s}, type: kubernetes.io/tls}") ==
        Texts{"data[tls.crt]: Required value", "data[tls.key]: Required value"});
  CHECK(update_problems("{apiVersion: v1, kind: Secret, metadata: {name: s}}", "{type: other}") ==
        Texts{"type: Invalid value: \"other\": field is immutable"});
}

TEST_CASE("Namespaces") {
  TestCluster cluster;
  const Json ns = made(cluster, "{apiVersion: v1, kind: Namespace, metadata: {name: team}}");
  CHECK(*api::find(ns, "spec.finalizers") == Json(api::JsonArray{"kubernetes"}));
  CHECK(api::str(ns, "status.phase") == "Active");
  CHECK(api::Object(ns).label("kubernetes.io/metadata.name") == "team");
  auto updated =
      cluster.update(TestCluster::patched(ns, "{spec: {finalizers: []}, metadata: {labels: {a: b}}}"), ns);
  REQUIRE(updated.ok());
  CHECK(api::list(*updated, "spec.finalizers").size() == 1);
  auto finalized = cluster.update(
      TestCluster::patched(ns, "{spec: {finalizers: []}, metadata: {labels: {a: b}}}"), ns, "finalize");
  REQUIRE(finalized.ok());
  CHECK(api::list(*finalized, "spec.finalizers").empty());
  CHECK(api::Object(*finalized).label("a").empty());
}

TEST_CASE("Nodes") {
  const char* const node = "{apiVersion: v1, kind: Node, metadata: {name: n}, spec: {podCIDR: 10.42.0.0/24}}";
  TestCluster cluster;
  CHECK(*api::find(made(cluster, node), "spec.podCIDRs") == Json(api::JsonArray{"10.42.0.0/24"}));
  CHECK(update_problems(node, "{spec: {podCIDR: 10.42.1.0/24, podCIDRs: [10.42.1.0/24]}}") ==
        Texts{"spec.podCIDRs: Forbidden: node updates may not change podCIDR except from \"\" to valid"});
  CHECK(update_problems(node, "{spec: {unschedulable: true, taints: [{key: a, effect: NoSchedule}]}}") ==
        Texts());
  CHECK(update_problems(node, "{spec: {taints: [{key: a, effect: Never}]}}") ==
        Texts{"spec.taints[0].effect: Unsupported value: \"Never\": supported values: \"NoExecute\", "
              "\"NoSchedule\", \"PreferNoSchedule\""});
}

TEST_CASE("PriorityClasses") {
  const char* const mine =
      "{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: mine}, value: 5}";
  CHECK(update_problems(mine, "{value: 6}") == Texts{"value: Forbidden: may not be changed in an update."});
  CHECK(create_problems("{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: mine}, "
                        "value: 1000000001}") ==
        Texts{"value: Forbidden: maximum allowed value of a user defined priority is 1000000000"});
  CHECK(
      create_problems(
          "{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: system-mine}, value: 5}")
          .size() == 1);
  CHECK(create_problems(
            "{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: system-node-critical}, "
            "value: 2000001000}") == Texts());
}

TEST_CASE("RBAC") {
  const char* const binding =
      "{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: b}, roleRef: {kind: "
      "Role, name: r}, "
      "subjects: [{kind: User, name: jane}, {kind: ServiceAccount, name: a, namespace: x}]}";
  TestCluster cluster;
  const Json object = made(cluster, binding);
  CHECK(api::str(object, "roleRef.apiGroup") == "rbac.authorization.k8s.io");
  CHECK(api::str(api::list(object, "subjects")[0], "apiGroup") == "rbac.authorization.k8s.io");
  CHECK(update_problems(binding, "{roleRef: {name: other}}") ==
        Texts{"roleRef: Invalid value: "
              "{\"kind\":\"Role\",\"name\":\"other\",\"apiGroup\":\"rbac.authorization.k8s.io\"}: cannot "
              "change roleRef"});
  CHECK(create_problems("{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: r}, rules: "
                        "[{resources: [pods]}]}") ==
        Texts{"rules[0].verbs: Required value: verbs must contain at least one value",
              "rules[0].apiGroups: Required value: resource rules must supply at least one api group"});
  CHECK(create_problems("{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: r}, rules: "
                        "[{verbs: [get], "
                        "nonResourceURLs: [/x]}]}") ==
        Texts{"rules[0].nonResourceURLs: Invalid value: [\"/x\"]: namespaced rules cannot apply to "
              "non-resource URLs"});
}

TEST_CASE("PodDisruptionBudgets and HorizontalPodAutoscalers") {
  CHECK(create_problems(
            "{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: b}, spec: {minAvailable: 1, "
            "maxUnavailable: 1}}") == Texts{"spec: Invalid value: {\"minAvailable\":1,\"maxUnavailable\":1}: "
                                            "minAvailable and maxUnavailable cannot be both set"});
  TestCluster cluster;
  const Json scaler =
      made(cluster,
           "{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: h}, spec: "
           "{maxReplicas: 3, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: d}}}");
  CHECK(api::num(scaler, "spec.minReplicas") == 1);
  CHECK(api::list(scaler, "spec.metrics").size() == 1);
  CHECK(create_problems("{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: h}, "
                        "spec: {minReplicas: 5, "
                        "maxReplicas: 3, scaleTargetRef: {kind: Deployment, name: d}}}") ==
        Texts{"spec.maxReplicas: Invalid value: 3: must be greater than or equal to `minReplicas`"});
}

TEST_CASE("storage") {
  const char* const claim =
      "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: c}, spec: {accessModes: "
      "[ReadWriteOnce], "
      "storageClassName: fast, resources: {requests: {storage: 1Gi}}}}";
  TestCluster cluster;
  const Json object = made(cluster, claim);
  CHECK(api::str(object, "spec.volumeMode") == "Filesystem");
  CHECK(api::str(object, "status.phase") == "Pending");
  CHECK(update_problems(claim, "{spec: {volumeName: pv1}}") == Texts());  // binding
  CHECK(update_problems(claim, "{spec: {accessModes: [ReadWriteMany]}}").size() == 1);
  CHECK(create_problems("{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: c}, spec: {}}") ==
        Texts{"spec.accessModes: Required value: at least 1 access mode is required",
              "spec.resources[storage]: Required value"});
  CHECK(create_problems("{apiVersion: v1, kind: PersistentVolume, metadata: {name: v}, spec: {capacity: "
                        "{storage: 1Gi}, accessModes: "
                        "[ReadWriteOnce]}}") == Texts{"spec: Required value: must specify a volume type"});
  CHECK(update_problems(
            "{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: s}, provisioner: a/b}",
            "{provisioner: c/d}") == Texts{"provisioner: Forbidden: updates to provisioner are forbidden."});
}

TEST_CASE("networking") {
  CHECK(create_problems("{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: i}, spec: {}}") ==
        Texts{"spec: Invalid value: {}: either `defaultBackend` or `rules` must be specified"});
  CHECK(create_problems(
            "{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: i}, spec: {rules: [{http: "
            "{paths: "
            "[{path: a, pathType: Prefix, backend: {service: {name: s, port: {number: 80}}}}]}}]}}") ==
        Texts{"spec.rules[0].http.paths[0].path: Invalid value: \"a\": must be an absolute path"});
  TestCluster cluster;
  const Json policy =
      made(cluster,
           "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p}, spec: {podSelector: "
           "{}, egress: [{ports: [{port: 53}]}]}}");
  CHECK(*api::find(policy, "spec.policyTypes") == Json(api::JsonArray{"Ingress", "Egress"}));
  CHECK(create_problems("{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: e}, "
                        "addressType: IPv4, endpoints: "
                        "[{addresses: [127.0.0.1]}]}") ==
        Texts{"endpoints[0].addresses[0]: Invalid value: \"127.0.0.1\": may not be in the loopback range "
              "(127.0.0.0/8, ::1/128)"});
}

TEST_CASE("LimitRanges order their numbers") {
  TestCluster cluster;
  const Json range = made(cluster,
                          "{apiVersion: v1, kind: LimitRange, metadata: {name: l}, spec: {limits: [{type: "
                          "Container, max: {cpu: '2'}}]}}");
  CHECK(api::list(range, "spec.limits")[0] ==
        TestCluster::parse(
            "{type: Container, max: {cpu: '2'}, default: {cpu: '2'}, defaultRequest: {cpu: '2'}}"));
  CHECK(create_problems("{apiVersion: v1, kind: LimitRange, metadata: {name: l}, spec: {limits: [{type: Pod, "
                        "min: {cpu: '2'}, max: {cpu: '1'}}]}}") ==
        Texts{"spec.limits[0].min[cpu]: Invalid value: \"2\": min value 2 is greater than max value 1"});
}

TEST_CASE("certificate requests say who asked") {
  TestCluster cluster;
  cluster.user.name = "jane";
  cluster.user.groups = {"system:authenticated"};
  const Json csr =
      made(cluster,
           "{apiVersion: certificates.k8s.io/v1, kind: CertificateSigningRequest, metadata: {name: c}, spec: "
           "{username: root, signerName: example.com/s, usages: [client auth], request: "
           "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0K}}");
  CHECK(api::str(csr, "spec.username") == "jane");
  auto changed = cluster.update(
      TestCluster::patched(csr,
                           "{spec: {usages: [server auth]}, status: {conditions: [{type: Approved, "
                           "status: 'True'}]}}"),
      csr);
  REQUIRE(changed.ok());
  CHECK(*api::find(*changed, "spec") == *api::find(csr, "spec"));
  CHECK(api::list(*changed, "status.conditions").empty());
  auto approved =
      cluster.update(TestCluster::patched(csr, "{status: {conditions: [{type: Approved, status: 'True'}]}}"),
                     csr, "approval");
  REQUIRE(approved.ok());
  CHECK(api::list(*approved, "status.conditions").size() == 1);
  // The signer does not decide, and neither undoes what was decided.
  const char* const kBoth =
      "{status: {certificate: eA==, conditions: [{type: Other, status: 'True'}, {type: "
      "Approved, status: 'True', reason: new}]}}";
  CHECK(TestCluster::problems(cluster.update(TestCluster::patched(csr, kBoth), csr, "status")) ==
        Texts{"status.conditions: Forbidden: updates may not add a condition of type \"Approved\""});
  auto issued = cluster.update(TestCluster::patched(*approved, kBoth), *approved, "status");
  REQUIRE(issued.ok());
  CHECK(api::str(*issued, "status.certificate") == "eA==");
  REQUIRE(api::list(*issued, "status.conditions").size() == 2);
  CHECK(api::str(api::list(*issued, "status.conditions")[0], "type") == "Other");
  CHECK(api::list(*issued, "status.conditions")[1] == api::list(*approved, "status.conditions")[0]);
  for (const char* sub : {"status", "approval"})
    CHECK(TestCluster::problems(cluster.update(csr, *approved, sub)) ==
          Texts{"status.conditions: Forbidden: updates may not remove a condition of type \"Approved\""});
}

TEST_CASE("webhook configurations") {
  const char* const hook =
      "{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingWebhookConfiguration, metadata: {name: "
      "w}, "
      "webhooks: [{name: a.example.com, sideEffects: None, admissionReviewVersions: [v1], clientConfig: "
      "{service: {name: s, "
      "namespace: n}}, rules: [{apiGroups: [''], apiVersions: [v1], resources: [pods], operations: "
      "[CREATE]}]}]}";
  TestCluster cluster;
  const Json object = made(cluster, hook);
  const Json& first = api::list(object, "webhooks")[0];
  CHECK(api::str(first, "failurePolicy") == "Fail");
  CHECK(api::num(first, "timeoutSeconds") == 10);
  CHECK(api::num(first, "clientConfig.service.port") == 443);
  CHECK(api::str(api::list(first, "rules")[0], "scope") == "*");
  CHECK(update_problems(hook, "{webhooks: [{name: a.b}]}").size() > 3);
}

TEST_CASE("expressions about devices are checked when they are written") {
  const auto of_class = [](const std::string& expression) {
    return create_problems(
        "{apiVersion: resource.k8s.io/v1, kind: DeviceClass, metadata: {name: d}, spec: {selectors: "
        "[{cel: {expression: '" +
        expression + "'}}]}}");
  };
  CHECK(
      of_class("device.driver == \"gpu.example.com\" && device.attributes[\"x\"].model.startsWith(\"a\")") ==
      Texts());
  CHECK(of_class("device.capacity[\"x\"].memory.compareTo(quantity(\"1Gi\")) >= 0") == Texts());
  CHECK(of_class("device.driver") ==
        Texts{"spec.selectors[0].cel.expression: Invalid value: \"device.driver\": must "
              "evaluate to bool"});
  const auto undefined = of_class("device.name == \"a\"");
  REQUIRE(undefined.size() == 1);
  CHECK(undefined[0].find("undefined field 'name'") != std::string::npos);
  const auto of_claim = create_problems(
      "{apiVersion: resource.k8s.io/v1, kind: ResourceClaim, metadata: {name: c, namespace: default}, spec: "
      "{devices: "
      "{requests: [{name: a, exactly: {deviceClassName: d, selectors: [{}]}}]}}}");
  CHECK(of_claim == Texts{"spec.devices.requests[0].exactly.selectors[0].cel: Required value"});
}

TEST_CASE("custom resource definitions name themselves") {
  TestCluster cluster;
  const Json definition = made(cluster,
                               "{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, "
                               "metadata: {name: tests.example.com}, "
                               "spec: {group: example.com, scope: Namespaced, names: {plural: tests, kind: "
                               "Test}, versions: [{name: v1, "
                               "served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]}}");
  CHECK(api::str(definition, "spec.names.singular") == "test");
  CHECK(api::str(definition, "spec.names.listKind") == "TestList");
  CHECK(api::str(definition, "spec.conversion.strategy") == "None");
}
