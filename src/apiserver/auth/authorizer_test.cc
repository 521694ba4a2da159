#include <catch2/catch.hpp>

#include <chrono>
#include <iostream>

#include "admission/node_restriction.h"
#include "auth/escalation.h"
#include "auth/rbac_authorizer.h"
#include "auth/reviews.h"
#include "auth/test_cluster.h"
#include "bootstrap/objects.h"
#include "bootstrap/policy.h"
#include "mk/api/schema.h"

using namespace mk;
using namespace mk::apiserver;
using namespace mk::apiserver::testing;

namespace {

constexpr const char* kReader = R"(
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: reader}
rules:
  - {apiGroups: [""], resources: [pods, pods/log], verbs: [get, list]}
  - {apiGroups: [apps], resources: ["*/scale"], verbs: [update]}
  - {apiGroups: [""], resources: [secrets], resourceNames: [a, b], verbs: [get]}
  - {nonResourceURLs: ["/metrics", "/logs/*"], verbs: [get]}
)";
constexpr const char* kReadersHere = R"(
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: readers, namespace: here}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: reader}
subjects:
  - {kind: User, name: ann}
  - {kind: ServiceAccount, name: robot, namespace: here}
)";
constexpr const char* kReadersEverywhere = R"(
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: all-readers}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: reader}
subjects: [{kind: Group, name: readers}]
)";

constexpr const char* kPod = R"(
apiVersion: v1
kind: Pod
metadata: {name: p, namespace: ns, uid: pod-uid}
spec:
  nodeName: n1
  serviceAccountName: sa
  imagePullSecrets: [{name: pull}]
  containers:
    - name: c
      envFrom: [{configMapRef: {name: env}}]
      env: [{name: X, valueFrom: {secretKeyRef: {name: key, key: k}}}]
  volumes:
    - {name: a, secret: {secretName: vol}}
    - {name: b, persistentVolumeClaim: {claimName: claim}}
    - {name: c, ephemeral: {volumeClaimTemplate: {}}}
    - name: d
      projected: {sources: [{secret: {name: projected}}, {configMap: {name: kube-root-ca.crt}}, {serviceAccountToken: {audience: vault}}]}
)";

void put_policy(PolicyCluster& cluster) {
  for (const auto& object : bootstrap_policy()) cluster.put(object);
}

}  // namespace

TEST_CASE("RBAC: rules, names, subresources and paths") {
  PolicyCluster cluster;
  auto authorizer = make_authorizer(cluster.cacher);
  cluster.put(kReader);
  cluster.put(kReadersHere);
  cluster.put(kReadersEverywhere);
  const UserInfo ann = user("ann"), group = user("bob", {"readers"}),
                 robot = user("system:serviceaccount:here:robot");

  struct Row {
    const char* note;
    Attributes attributes;
    bool allowed;
  };
  const Row rows[] = {
      {"in the namespace", ask(ann, "get", "pods", "here", "x"), true},
      {"another namespace", ask(ann, "get", "pods", "there", "x"), false},
      {"all namespaces need a cluster binding", ask(ann, "list", "pods"), false},
      {"by group, everywhere", ask(group, "list", "pods"), true},
      {"by group, in a namespace", ask(group, "list", "pods", "there"), true},
      {"service account", ask(robot, "list", "pods", "here"), true},
      {"another verb", ask(ann, "delete", "pods", "here", "x"), false},
      {"another API group", ask(ann, "get", "metrics.k8s.io:pods", "here"), false},
      {"subresource by name", ask(ann, "get", "pods/log", "here", "x"), true},
      {"subresource not named", ask(ann, "get", "pods/exec", "here", "x"), false},
      {"any scale", ask(ann, "update", "apps:deployments/scale", "here", "x"), true},
      {"scale is not the object", ask(ann, "update", "apps:deployments", "here", "x"), false},
      {"a named secret", ask(ann, "get", "secrets", "here", "b"), true},
      {"not that secret", ask(ann, "get", "secrets", "here", "c"), false},
      {"again, from memory", ask(ann, "get", "secrets", "here", "a"), true},
      {"no name at all", ask(ann, "get", "secrets", "here"), false},
      {"path", ask(group, "get", "/metrics"), true},
      {"path below", ask(group, "get", "/logs/a/b"), true},
      {"other path", ask(group, "get", "/metricsx"), false},
      {"paths never come from a RoleBinding", ask(ann, "get", "/metrics"), false},
      {"masters", ask(user("x", {"system:masters"}), "delete", "pods", "here", "x"), true},
  };
  for (const auto& row : rows) {
    INFO(row.note);
    CHECK(authorizer->authorize(row.attributes).allowed == row.allowed);
  }
  CHECK(authorizer->authorize(ask(ann, "get", "pods", "here")).reason ==
        "RBAC: allowed by RoleBinding \"readers/here\" of ClusterRole \"reader\" to User \"ann\"");
}

TEST_CASE("RBAC follows changes of roles and bindings") {
  PolicyCluster cluster;
  cluster.put(kReader);
  auto authorizer = make_authorizer(cluster.cacher);  // what was there before counts
  const Attributes question = ask(user("ann"), "get", "pods", "here");
  CHECK_FALSE(authorizer->authorize(question).allowed);
  cluster.put(kReadersHere);
  CHECK(authorizer->authorize(question).allowed);
  cluster.remove(yaml(kReader));
  CHECK_FALSE(authorizer->authorize(question).allowed);
  cluster.put(kReader);
  CHECK(authorizer->authorize(question).allowed);
  cluster.remove(yaml(kReadersHere));
  CHECK_FALSE(authorizer->authorize(question).allowed);
  authorizer.reset();
  cluster.put(kReadersHere);  // the handlers outlive it
}

TEST_CASE("a role that comes later is aggregated at once, through two levels") {
  PolicyCluster cluster;
  put_policy(cluster);
  auto authorizer = make_authorizer(cluster.cacher);
  cluster.put(R"(
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: b, namespace: here}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: admin}
subjects: [{kind: User, name: ann}]
)");
  CHECK(authorizer->authorize(ask(user("ann"), "get", "pods/log", "here")).allowed);
  CHECK(authorizer->authorize(ask(user("ann"), "create", "apps:deployments", "here")).allowed);
  CHECK_FALSE(authorizer->authorize(ask(user("ann"), "get", "stable.example.com:crontabs", "here")).allowed);
  const api::Json extra = yaml(R"(
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: crontabs, labels: {rbac.authorization.k8s.io/aggregate-to-view: "true"}}
rules: [{apiGroups: [stable.example.com], resources: [crontabs], verbs: [get]}]
)");
  cluster.put(extra);
  CHECK(authorizer->authorize(ask(user("ann"), "get", "stable.example.com:crontabs", "here")).allowed);
  cluster.remove(extra);
  CHECK_FALSE(authorizer->authorize(ask(user("ann"), "get", "stable.example.com:crontabs", "here")).allowed);
}

TEST_CASE("the Node authorizer lets a node reach what its pods need") {
  PolicyCluster cluster;
  auto authorizer = make_authorizer(cluster.cacher);
  cluster.put(kPod);
  cluster.put(
      "{apiVersion: v1, kind: PersistentVolume, metadata: {name: pv}, spec: {claimRef: {namespace: ns, name: "
      "claim}, "
      "csi: {driver: d, nodeStageSecretRef: {namespace: store, name: stage}}}}");
  struct Row {
    const char* verb;
    const char* what;
    const char* ns;
    const char* name;
    const char* fields;
    bool allowed;
  };
  const Row rows[] = {
      {"get", "secrets", "ns", "vol", "", true},
      {"get", "secrets", "ns", "key", "", true},
      {"get", "secrets", "ns", "pull", "", true},
      {"get", "secrets", "ns", "projected", "", true},
      {"get", "secrets", "store", "stage", "", true},
      {"get", "secrets", "ns", "other", "", false},
      {"get", "secrets", "else", "vol", "", false},
      {"watch", "secrets", "ns", "", "metadata.name=vol", true},
      {"list", "secrets", "ns", "", "", false},
      {"list", "secrets", "", "", "", false},
      {"update", "secrets", "ns", "vol", "", false},
      {"get", "configmaps", "ns", "env", "", true},
      {"get", "configmaps", "ns", "kube-root-ca.crt", "", true},
      {"get", "persistentvolumeclaims", "ns", "claim", "", true},
      {"get", "persistentvolumeclaims", "ns", "p-c", "", true},
      {"list", "persistentvolumeclaims", "ns", "claim", "", false},
      {"patch", "persistentvolumeclaims/status", "ns", "claim", "", true},
      {"get", "persistentvolumes", "", "pv", "", true},
      {"get", "persistentvolumes", "", "other", "", false},
      {"create", "serviceaccounts/token", "ns", "sa", "", true},
      {"create", "serviceaccounts/token", "ns", "default", "", false},
      {"get", "serviceaccounts", "ns", "sa", "", false},
      {"get", "pods", "ns", "p", "", true},
      {"get", "pods", "ns", "q", "", false},
      {"list", "pods", "", "", "spec.nodeName=n1", true},
      {"watch", "pods", "", "", "spec.nodeName=n2", false},
      {"watch", "pods", "", "", "", false},
      {"update", "pods", "ns", "p", "", false},
      {"patch", "pods/status", "ns", "p", "", true},
      {"create", "pods/eviction", "ns", "p", "", true},
      {"get", "nodes", "", "n1", "", true},
      {"get", "nodes", "", "n2", "", false},
      {"watch", "nodes", "", "", "metadata.name=n1", true},
      {"patch", "nodes/status", "", "n1", "", true},
      {"delete", "nodes", "", "n1", "", false},
      {"update", "coordination.k8s.io:leases", "kube-node-lease", "n1", "", true},
      {"update", "coordination.k8s.io:leases", "kube-node-lease", "n2", "", false},
      {"update", "coordination.k8s.io:leases", "kube-system", "n1", "", false},
      {"list", "services", "", "", "", true},
      {"create", "events", "ns", "", "", true},
      {"create", "certificates.k8s.io:certificatesigningrequests", "", "", "", true},
      {"list", "apps:deployments", "", "", "", false},
  };
  for (const auto& row : rows) {
    INFO(row.verb << " " << row.what << " " << row.ns << "/" << row.name << " " << row.fields);
    CHECK(authorizer->authorize(ask(node("n1"), row.verb, row.what, row.ns, row.name, row.fields)).allowed ==
          row.allowed);
  }
  CHECK_FALSE(authorizer->authorize(ask(node("n2"), "get", "secrets", "ns", "vol")).allowed);
  CHECK(authorizer->authorize(ask(node("n2"), "get", "secrets", "ns", "vol")).reason ==
        "no relationship found between node 'n2' and this object");
  CHECK_FALSE(authorizer->authorize(ask(user("system:node:n1"), "get", "secrets", "ns", "vol")).allowed);
  cluster.remove(yaml(kPod));
  CHECK_FALSE(authorizer->authorize(ask(node("n1"), "get", "secrets", "ns", "vol")).allowed);
  CHECK_FALSE(authorizer->authorize(ask(node("n1"), "get", "persistentvolumes", "", "pv")).allowed);
}

TEST_CASE("a node sees and lets go of the local volumes whose directories it has") {
  PolicyCluster cluster;
  auto authorizer = make_authorizer(cluster.cacher);
  cluster.put(
      "{apiVersion: v1, kind: PersistentVolume, metadata: {name: mine, labels: {mk.io/local-path-node: n1}}, "
      "spec: {hostPath: {path: /x}}}");
  const auto listing = [](const char* selector) {
    auto asked = ask(node("n1"), "list", "persistentvolumes");
    asked.label_selector = selector;
    return asked;
  };
  CHECK(authorizer->authorize(listing("mk.io/local-path-node=n1")).allowed);
  CHECK_FALSE(authorizer->authorize(listing("mk.io/local-path-node=n2")).allowed);
  CHECK_FALSE(authorizer->authorize(listing("")).allowed);
  CHECK(authorizer->authorize(ask(node("n1"), "patch", "persistentvolumes", "", "mine")).allowed);
  CHECK_FALSE(authorizer->authorize(ask(node("n1"), "delete", "persistentvolumes", "", "mine")).allowed);
  CHECK_FALSE(
      authorizer->authorize(ask(node("n1"), "patch", "persistentvolumes/status", "", "mine")).allowed);
  CHECK_FALSE(authorizer->authorize(ask(node("n2"), "patch", "persistentvolumes", "", "mine")).allowed);
}

TEST_CASE("a mirror pod proves no need") {
  PolicyCluster cluster;
  auto authorizer = make_authorizer(cluster.cacher);
  cluster.put(
      "{apiVersion: v1, kind: Pod, metadata: {name: m, namespace: ns, annotations: "
      "{kubernetes.io/config.mirror: x}}, "
      "spec: {nodeName: n1, volumes: [{name: a, secret: {secretName: s}}]}}");
  CHECK_FALSE(authorizer->authorize(ask(node("n1"), "get", "secrets", "ns", "s")).allowed);
  CHECK(authorizer->authorize(ask(node("n1"), "get", "pods", "ns", "m")).allowed);
}

TEST_CASE("forbidden in Kubernetes' words") {
  CHECK(forbidden_error(ask(user("u"), "list", "apps:deployments", "n"), {}).message() ==
        "deployments.apps is forbidden: User \"u\" cannot list resource \"deployments\" in API group "
        "\"apps\" in the namespace \"n\"");
  CHECK(forbidden_error(ask(user("u"), "get", "pods/log", "n", "x"), {false, "why"}).message() ==
        "pods \"x\" is forbidden: User \"u\" cannot get resource \"pods/log\" in API group \"\" in the "
        "namespace \"n\": why");
  CHECK(
      forbidden_error(ask(user("u"), "get", "nodes"), {}).message() ==
      "nodes is forbidden: User \"u\" cannot get resource \"nodes\" in API group \"\" at the cluster scope");
  CHECK(forbidden_error(ask(user("u"), "get", "/x"), {}).message() ==
        "forbidden: User \"u\" cannot get path \"/x\"");
}

TEST_CASE("the default policy") {
  const auto policy = bootstrap_policy();
  PolicyCluster cluster;
  put_policy(cluster);
  auto authorizer = make_authorizer(cluster.cacher);
  const UserInfo anyone = user("u", {"system:authenticated"}),
                 nobody = user("system:anonymous", {"system:unauthenticated"});
  CHECK(authorizer->authorize(ask(anyone, "get", "/apis/apps/v1")).allowed);
  CHECK(
      authorizer->authorize(ask(anyone, "create", "authorization.k8s.io:selfsubjectaccessreviews")).allowed);
  CHECK_FALSE(authorizer->authorize(ask(anyone, "get", "pods", "default")).allowed);
  CHECK(authorizer->authorize(ask(nobody, "get", "/readyz")).allowed);
  CHECK_FALSE(authorizer->authorize(ask(nobody, "get", "/api")).allowed);
  CHECK(authorizer
            ->authorize(ask(user("system:serviceaccount:kube-system:job-controller"), "create", "pods", "x"))
            .allowed);
  CHECK(
      authorizer->authorize(ask(user("system:kube-scheduler"), "create", "pods/binding", "x", "y")).allowed);
  CHECK(authorizer->authorize(ask(user("system:kube-controller-manager"), "watch", "apps:deployments"))
            .allowed);

  for (const auto& object : policy) {
    INFO(api::to_json(object));
    const auto* resource =
        api::find_builtin(api::parse_gvk(api::str(object, "apiVersion"), api::str(object, "kind")));
    REQUIRE(resource != nullptr);
    api::Json copy = object;
    api::FieldProblems unknown;
    REQUIRE(api::decode(*api::builtin_schema().type(resource->gvk()), copy, unknown).ok());
    CHECK(unknown.empty());
    CHECK_FALSE(reconcile_policy(object, object).has_value());
  }
  for (const auto& object : bootstrap_objects()) {
    INFO(api::to_json(object));
    const auto* resource =
        api::find_builtin(api::parse_gvk(api::str(object, "apiVersion"), api::str(object, "kind")));
    REQUIRE(resource != nullptr);
    api::Json copy = object;
    api::FieldProblems unknown;
    REQUIRE(api::decode(*api::builtin_schema().type(resource->gvk()), copy, unknown).ok());
    CHECK(unknown.empty());
  }
}

TEST_CASE("reconciling adds what is missing and takes nothing away") {
  const api::Json wanted = yaml(kReader);
  api::Json existing = wanted;
  existing.as_object()["rules"] = yaml(
      "[{apiGroups: [''], resources: [nodes], verbs: [get]}, "
      "{apiGroups: [''], resources: [pods], verbs: ['*']}]");
  auto changed = reconcile_policy(existing, wanted);
  REQUIRE(changed.has_value());
  CHECK(api::list(*changed, "rules")[0] == api::list(existing, "rules")[0]);
  CHECK_FALSE(reconcile_policy(*changed, wanted).has_value());
  api::set(existing, "metadata.annotations", yaml("{rbac.authorization.kubernetes.io/autoupdate: 'false'}"));
  CHECK_FALSE(reconcile_policy(existing, wanted).has_value());

  api::Json binding = yaml(kReadersEverywhere);
  api::erase(binding, "subjects");
  auto rebound = reconcile_policy(binding, yaml(kReadersEverywhere));
  REQUIRE(rebound.has_value());
  CHECK(api::list(*rebound, "subjects").size() == 1);
}

TEST_CASE("nobody grants what they do not hold") {
  PolicyCluster cluster;
  put_policy(cluster);
  cluster.put(kReader);
  cluster.put(kReadersEverywhere);
  auto authorizer = make_authorizer(cluster.cacher);
  auto plugin = make_rbac_escalation(cluster.cacher, *authorizer);
  const auto write = [&](UserInfo who, const api::Json& object) {
    WriteContext context;
    context.resource =
        api::find_builtin(api::parse_gvk(api::str(object, "apiVersion"), api::str(object, "kind")));
    context.user = std::move(who);
    context.ns = api::str(object, "metadata.namespace");
    context.name = api::str(object, "metadata.name");
    context.operation = "CREATE";
    return plugin->validate(context, &object, nullptr);
  };
  const UserInfo reader = user("bob", {"readers", "system:authenticated"});
  const auto role = [](const char* rules) {
    return yaml(
        std::string(
            "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: r}, rules: ") +
        rules + "}");
  };
  CHECK(write(reader, role("[{apiGroups: [''], resources: [pods], verbs: [get]}]")).ok());
  CHECK(write(reader, role("[{apiGroups: [''], resources: [secrets], resourceNames: [a], verbs: [get]}]"))
            .ok());
  CHECK_FALSE(write(reader, role("[{apiGroups: [''], resources: [secrets], verbs: [get]}]")).ok());
  CHECK(write(reader, role("[{nonResourceURLs: [/logs/x], verbs: [get]}]")).ok());
  CHECK_FALSE(write(reader, role("[{nonResourceURLs: ['/*'], verbs: [get]}]")).ok());
  auto refused = write(reader, role("[{apiGroups: [''], resources: [pods], verbs: [get, watch, delete]}]"));
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().message() ==
        "clusterroles.rbac.authorization.k8s.io \"r\" is forbidden: user \"bob\" (groups=[\"readers\" "
        "\"system:authenticated\"]) "
        "is attempting to grant RBAC permissions not currently held:\n"
        "{APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"delete\" \"watch\"]}");
  CHECK(write(user("root", {"system:masters"}), role("[{apiGroups: ['*'], resources: ['*'], verbs: ['*']}]"))
            .ok());
  CHECK(write(user("system:serviceaccount:kube-system:clusterrole-aggregation-controller"),
              role("[{apiGroups: ['*'], resources: ['*'], verbs: ['*']}]"))
            .ok());
  const auto bind = [](const char* name) {
    return yaml(
        std::string(
            "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: b}, "
            "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: ") +
        name + "}, subjects: [{kind: User, name: x}]}");
  };
  CHECK(write(reader, bind("reader")).ok());
  CHECK(write(reader, bind("cluster-admin")).error().is(Reason::kForbidden));
  CHECK(write(reader, bind("edit")).error().is(Reason::kForbidden));
  CHECK(write(reader, bind("missing")).error().is(Reason::kNotFound));
}

TEST_CASE("NodeRestriction") {
  PolicyCluster cluster;
  cluster.put(kPod);
  auto plugin = make_node_restriction(cluster.cacher);
  const auto write = [&](const char* node_name, const char* operation, const char* subresource,
                         const char* text, const char* old = nullptr) {
    const api::Json object = yaml(text);
    const api::Json before = old == nullptr ? api::Json() : yaml(old);
    const auto gvk = api::parse_gvk(api::str(object, "apiVersion"), api::str(object, "kind"));
    WriteContext context;
    context.resource = std::string_view(subresource) == "token"
                           ? api::find_builtin(api::resources::kServiceAccounts)
                           : api::find_builtin(gvk);
    context.user = node(node_name);
    context.ns = api::str(object, "metadata.namespace");
    context.name = api::str(object, "metadata.name");
    context.operation = operation;
    context.subresource = subresource;
    const bool removes = std::string_view(operation) == "DELETE";
    return plugin
        ->validate(context, removes ? nullptr : &object,
                   removes          ? &object
                   : old == nullptr ? nullptr
                                    : &before)
        .ok();
  };
  CHECK(write(
      "n1", "CREATE", "",
      "{apiVersion: v1, kind: Node, metadata: {name: n1, labels: {kubernetes.io/hostname: n1, a: b}}}"));
  CHECK_FALSE(write("n2", "CREATE", "", "{apiVersion: v1, kind: Node, metadata: {name: n1}}"));
  CHECK_FALSE(write(
      "n1", "CREATE", "",
      "{apiVersion: v1, kind: Node, metadata: {name: n1, labels: {node-restriction.kubernetes.io/x: y}}}"));
  CHECK_FALSE(write("n1", "CREATE", "",
                    "{apiVersion: v1, kind: Node, metadata: {name: n1, labels: "
                    "{node-role.kubernetes.io/control-plane: ''}}}"));
  CHECK(write(
      "n1", "UPDATE", "",
      "{apiVersion: v1, kind: Node, metadata: {name: n1, labels: {node-role.kubernetes.io/worker: ''}}}",
      "{apiVersion: v1, kind: Node, metadata: {name: n1, labels: {node-role.kubernetes.io/worker: ''}}}"));
  CHECK_FALSE(write(
      "n1", "UPDATE", "", "{apiVersion: v1, kind: Node, metadata: {name: n1}}",
      "{apiVersion: v1, kind: Node, metadata: {name: n1}, spec: {taints: [{key: a, effect: NoSchedule}]}}"));
  CHECK_FALSE(write("n1", "DELETE", "", "{apiVersion: v1, kind: Node, metadata: {name: n1}}"));
  CHECK(write("n1", "DELETE", "", kPod));
  CHECK_FALSE(write("n2", "DELETE", "", kPod));
  CHECK_FALSE(write("n1", "CREATE", "", kPod));  // no mirror pod
  CHECK(write("n1", "CREATE", "",
              "{apiVersion: v1, kind: Pod, metadata: {name: m, namespace: ns, annotations: "
              "{kubernetes.io/config.mirror: x}}, spec: {nodeName: n1}}"));
  CHECK_FALSE(write("n1", "CREATE", "",
                    "{apiVersion: v1, kind: Pod, metadata: {name: m, namespace: ns, annotations: "
                    "{kubernetes.io/config.mirror: x}}, spec: {nodeName: n1, volumes: [{name: v, secret: "
                    "{secretName: s}}]}}"));
  CHECK(write("n1", "UPDATE", "status", kPod, kPod));
  CHECK_FALSE(write("n2", "UPDATE", "status", kPod, kPod));
  const char* token =
      "{apiVersion: authentication.k8s.io/v1, kind: TokenRequest, metadata: {name: sa, namespace: ns}, spec: "
      "{audiences: [vault], boundObjectRef: {apiVersion: v1, kind: Pod, name: p, uid: pod-uid}}}";
  CHECK(write("n1", "CREATE", "token", token));
  CHECK_FALSE(write("n2", "CREATE", "token", token));
  CHECK_FALSE(write(
      "n1", "CREATE", "token",
      "{apiVersion: authentication.k8s.io/v1, kind: TokenRequest, metadata: {name: sa, namespace: ns}, spec: "
      "{audiences: [other], boundObjectRef: {apiVersion: v1, kind: Pod, name: p, uid: pod-uid}}}"));
  CHECK_FALSE(write("n1", "CREATE", "token",
                    "{apiVersion: authentication.k8s.io/v1, kind: TokenRequest, metadata: {name: sa, "
                    "namespace: ns}, spec: {}}"));
  CHECK(write(
      "n1", "UPDATE", "",
      "{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: n1, namespace: kube-node-lease}}"));
  CHECK_FALSE(write(
      "n1", "UPDATE", "",
      "{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: n2, namespace: kube-node-lease}}"));
}

TEST_CASE("access reviews") {
  PolicyCluster cluster;
  cluster.put(kReader);
  cluster.put(kReadersHere);
  auto authorizer = make_authorizer(cluster.cacher);
  auto yes = review_subject_access(
      *authorizer,
      yaml("{spec: {user: ann, resourceAttributes: {verb: get, resource: pods, namespace: here}}}"));
  REQUIRE(yes.ok());
  CHECK(api::flag(*yes, "status.allowed"));
  auto no = review_self_subject_access(*authorizer, user("ann"),
                                       yaml("{spec: {resourceAttributes: {verb: get, resource: pods}}}"));
  REQUIRE(no.ok());
  CHECK_FALSE(api::flag(*no, "status.allowed", true));
  auto neither = review_subject_access(*authorizer, yaml("{kind: SubjectAccessReview, spec: {}}"));
  REQUIRE_FALSE(neither.ok());
  CHECK(neither.error().is(Reason::kInvalid));
  CHECK(neither.error().causes.size() == 2);
  CHECK_FALSE(
      review_local_subject_access(
          *authorizer, "there",
          yaml("{spec: {user: ann, resourceAttributes: {verb: get, resource: pods, namespace: here}}}"))
          .ok());
  CHECK(review_local_subject_access(
            *authorizer, "here",
            yaml("{spec: {user: ann, resourceAttributes: {verb: get, resource: pods, namespace: here}}}"))
            .ok());
  auto rules = review_self_subject_rules(*authorizer, user("ann"), yaml("{spec: {namespace: here}}"));
  REQUIRE(rules.ok());
  CHECK(api::list(*rules, "status.resourceRules").size() == 3);
  CHECK_FALSE(api::flag(*rules, "status.incomplete", true));
  CHECK(review_self_subject_rules(*authorizer, user("ann"), yaml("{spec: {}}"))
            .error()
            .is(Reason::kBadRequest));
  auto me =
      review_self_subject(user("ann", {"g"}), "2026-01-01T00:00:00Z", yaml("{kind: SelfSubjectReview}"));
  CHECK(api::str(*me, "status.userInfo.username") == "ann");
}

TEST_CASE("what a decision costs", "[.bench]") {
  PolicyCluster cluster;
  put_policy(cluster);
  auto authorizer = make_authorizer(cluster.cacher);
  const auto question =
      ask(user("system:serviceaccount:kube-system:deployment-controller",
               {"system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"}),
          "update", "apps:deployments/status", "default", "x");
  const auto start = std::chrono::steady_clock::now();
  constexpr int kRounds = 200'000;
  int allowed = 0;
  for (int i = 0; i < kRounds; ++i) allowed += authorizer->authorize(question).allowed;
  const auto took = std::chrono::steady_clock::now() - start;
  CHECK(allowed == kRounds);
  std::cout << std::chrono::duration<double, std::nano>(took).count() / kRounds << " ns a decision\n";
}
