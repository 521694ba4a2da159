// Tables for the decisions of the controllers: no loop, no server.
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <catch2/catch.hpp>

#include "deployment/new_set.h"
#include "deployment/rollout.h"
#include "deployment/status.h"
#include "endpointslice/endpoints.h"
#include "kit/claim.h"
#include "kit/objects.h"
#include "kit/pod_rank.h"
#include "namespace/namespace_status.h"
#include "nodeipam/cidr_set.h"
#include "nodelifecycle/node_health.h"
#include "podgc/pod_gc_controller.h"
#include "replicaset/plan.h"

using namespace mk;
using namespace mk::controller;
using namespace std::chrono_literals;

namespace {

api::Json parse(const std::string& yaml) {
  auto json = api::parse_yaml(yaml);
  REQUIRE(json.ok());
  return *json;
}

const rt::WallTime kNow = *rt::parse_time("2026-01-01T12:00:00Z");

deployment::Set set(const char* name, std::int64_t spec, std::int64_t available, int age = 0) {
  deployment::Set made;
  made.name = name;
  made.spec = made.status = spec;
  made.available = available;
  made.created = kNow - std::chrono::hours(age);
  return made;
}

deployment::Goal goal(std::int64_t replicas, std::int64_t surge, std::int64_t unavailable) {
  deployment::Goal made;
  made.replicas = replicas;
  made.max_surge = surge;
  made.max_unavailable = unavailable;
  return made;
}

using deployment::Scaling;
using deployment::Scalings;

}  // namespace

TEST_CASE("surge rounds up, unavailability down, and both may not be zero") {
  struct Row {
    const char* yaml;
    std::int64_t surge, unavailable;
  };
  const Row rows[] = {
      {"{spec: {replicas: 10, strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 25%, maxUnavailable: "
       "25%}}}}",
       3, 2},
      {"{spec: {replicas: 1, strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 25%, maxUnavailable: "
       "25%}}}}",
       1, 0},
      {"{spec: {replicas: 3, strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 0, maxUnavailable: "
       "10%}}}}",
       0, 1},
      {"{spec: {replicas: 2, strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 0, maxUnavailable: "
       "5}}}}",
       0, 2},
      {"{spec: {replicas: 2, strategy: {type: Recreate}}}", 0, 0},
  };
  for (const auto& row : rows) {
    const auto made = deployment::goal_of(parse(row.yaml));
    INFO(row.yaml);
    CHECK(made.max_surge == row.surge);
    CHECK(made.max_unavailable == row.unavailable);
  }
}

TEST_CASE("the new set grows as surge allows") {
  CHECK(deployment::new_set_size(goal(10, 3, 2), 0, 10) == 3);
  CHECK(deployment::new_set_size(goal(10, 0, 2), 0, 10) == 0);
  CHECK(deployment::new_set_size(goal(10, 3, 2), 9, 10) == 10);
  CHECK(deployment::new_set_size(goal(10, 3, 2), 12, 12) == 10);
}

TEST_CASE("old sets shrink by what is unavailable anyway, then by what availability allows") {
  struct Row {
    const char* name;
    deployment::Goal goal;
    deployment::Set newest;
    std::vector<deployment::Set> old;
    Scalings expected;
  };
  const Row rows[] = {
      {"first step", goal(10, 3, 2), set("new", 3, 0), {set("old", 10, 10)}, {{"old", 8}}},
      {"nothing to spare", goal(10, 3, 0), set("new", 3, 0), {set("old", 10, 10)}, {}},
      {"new pods came up", goal(10, 3, 2), set("new", 5, 5), {set("old", 8, 8)}, {{"old", 3}}},
      {"broken old pods go first",
       goal(10, 0, 2),
       set("new", 0, 0),
       {set("good", 8, 8, 1), set("bad", 2, 0, 2)},
       {{"bad", 0}}},
      {"all done", goal(10, 3, 2), set("new", 10, 10), {set("old", 0, 0)}, {}},
  };
  for (const auto& row : rows) {
    INFO(row.name);
    CHECK(deployment::scale_down_old(row.goal, row.newest, row.old) == row.expected);
  }
}

TEST_CASE("scaling a stuck rollout keeps the proportions") {
  auto newest = set("new", 5, 0), old = set("old", 8, 8, 1);
  newest.max_replicas = old.max_replicas = 13;
  auto scalings = deployment::scale_in_proportion(goal(30, 3, 2), 13, &newest, {old});
  std::sort(scalings.begin(), scalings.end(),
            [](const Scaling& a, const Scaling& b) { return a.name < b.name; });
  CHECK(scalings == Scalings{{"new", 13}, {"old", 20}});

  const auto only = set("only", 3, 3);
  CHECK(deployment::scale_in_proportion(goal(5, 1, 0), 3, &only, {}) == Scalings{{"only", 5}});
  auto whole = set("new", 4, 4);
  whole.desired = 4;
  CHECK(deployment::scale_in_proportion(goal(4, 1, 0), 5, &whole, {set("old", 1, 1)}) ==
        Scalings{{"old", 0}});
}

TEST_CASE("old sets without pods go when the history is full, lowest revision first") {
  const auto old = [](const char* name, const char* revision, int replicas) {
    return api::Object(parse(std::string("{metadata: {name: ") + name +
                             ", annotations: {deployment.kubernetes.io/revision: '" + revision +
                             "'}}, spec: {replicas: " + std::to_string(replicas) + "}}"));
  };
  const std::vector<api::Object> sets = {old("c", "3499999999999999999", 0), old("a", "1", 0),
                                         old("b", "2", 1)};
  auto gone = deployment::expendable(sets, 2);
  REQUIRE(gone.size() == 1);
  CHECK(gone[0].name() == "a");
  gone = deployment::expendable(sets, 0);
  CHECK(gone.size() == 2);  // b still has a pod
  CHECK(deployment::expendable(sets, 3).empty());
}

TEST_CASE("a new set carries the hash in name, labels and selector, and its annotations") {
  const api::Object web(parse(
      R"({metadata: {name: web, namespace: n, uid: u, annotations: {note: x, kubectl.kubernetes.io/last-applied-configuration: y}},
    spec: {replicas: 4, strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}, selector: {matchLabels: {app: web}},
           template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c}]}}}})"));
  const api::Object made(deployment::make_new_set(web, 1, 7));
  const std::string hash(made.label("pod-template-hash"));
  CHECK(!hash.empty());
  CHECK(made.name() == "web-" + hash);
  CHECK(api::object(made.json(), "spec.selector.matchLabels").at("pod-template-hash") ==
        api::Json(hash.c_str()));
  CHECK(made.annotation("deployment.kubernetes.io/revision") == "7");
  CHECK(made.annotation("deployment.kubernetes.io/max-replicas") == "5");
  CHECK(made.annotation("note") == "x");
  CHECK(made.annotation("kubectl.kubernetes.io/last-applied-configuration").empty());
  CHECK(deployment::find_new_set(web.json(), {made}).name() == made.name());
  // The order of keys is nobody's business; a collision is.
  CHECK(stable_hash(parse("{a: 1, b: 2}"), 0) == stable_hash(parse("{b: 2, a: 1}"), 0));
  CHECK(stable_hash(parse("{a: 1}"), 0) != stable_hash(parse("{a: 1}"), 1));

  // A set used again moves its revision into the history.
  const auto again = deployment::annotations_of(web, api::object(made.json(), "metadata.annotations"), 9);
  CHECK(again.at("deployment.kubernetes.io/revision") == "9");
  CHECK(again.at("deployment.kubernetes.io/revision-history") == "7");
}

TEST_CASE("pods are ranked by what their loss costs") {
  const auto pod = [](const char* name, const char* more) {
    return api::Object(parse(std::string("{metadata: {name: ") + name + ", uid: " + name +
                             ", creationTimestamp: '2026-01-01T00:00:00Z'}, " + more + "}"));
  };
  const std::string ready =
      "status: {phase: Running, conditions: [{type: Ready, status: 'True', lastTransitionTime: "
      "'2026-01-01T01:00:00Z'}]}";
  std::vector<api::Object> pods = {
      pod("busy", ("spec: {nodeName: a}, " + ready).c_str()),
      pod("lonely", ("spec: {nodeName: b}, " + ready).c_str()),
      pod("unready", "spec: {nodeName: b}, status: {phase: Running}"),
      pod("pending", "spec: {nodeName: b}, status: {phase: Pending}"),
      pod("unassigned", "spec: {}, status: {phase: Pending}"),
  };
  rank_for_deletion(pods, {{"a", 2}, {"b", 1}}, kNow);
  std::vector<std::string> names;
  for (const auto& one : pods) names.emplace_back(one.name());
  CHECK(names == std::vector<std::string>{"unassigned", "pending", "unready", "busy", "lonely"});
}

TEST_CASE("availability waits for minReadySeconds") {
  const auto rs = parse("{spec: {replicas: 1, minReadySeconds: 10}}");
  const api::Object pod(
      parse("{metadata: {name: p}, status: {conditions: [{type: Ready, status: 'True', lastTransitionTime: "
            "'2026-01-01T11:59:55Z'}]}}"));
  CHECK(api::num(replicaset::status_of(rs, {pod}, 0, {}, kNow), "availableReplicas") == 0);
  CHECK(api::num(replicaset::status_of(rs, {pod}, 0, {}, kNow), "readyReplicas") == 1);
  CHECK(next_available({pod}, api::num(rs, "spec.minReadySeconds"), kNow) == rt::Duration(5s));
  CHECK(api::num(replicaset::status_of(rs, {pod}, 0, {}, kNow + 5s), "availableReplicas") == 1);
}

TEST_CASE("claims: keep, adopt, release, ignore") {
  const api::Object owner(parse("{metadata: {name: o, uid: me}}"));
  const api::Object going(parse("{metadata: {name: o, uid: me, deletionTimestamp: '2026-01-01T00:00:00Z'}}"));
  const auto selector = api::LabelSelector::parse("a=b");
  const auto action = [&](const api::Object& who, const char* pod, bool adoptable = true) {
    const Claimant claimant(who, api::resources::kReplicaSets, api::Gvk{"apps", "v1", "ReplicaSet"},
                            *selector);
    return claim_action(claimant, api::Object(parse(pod)), adoptable);
  };
  const char* mine = "{metadata: {labels: {a: b}, ownerReferences: [{uid: me, controller: true}]}}";
  const char* astray = "{metadata: {labels: {a: c}, ownerReferences: [{uid: me, controller: true}]}}";
  const char* others = "{metadata: {labels: {a: b}, ownerReferences: [{uid: you, controller: true}]}}";
  const char* orphan = "{metadata: {labels: {a: b}}}";
  CHECK(action(owner, mine) == ClaimAction::kKeep);
  CHECK(action(owner, astray) == ClaimAction::kRelease);
  CHECK(action(going, astray) == ClaimAction::kIgnore);
  CHECK(action(owner, others) == ClaimAction::kIgnore);
  CHECK(action(owner, orphan) == ClaimAction::kAdopt);
  CHECK(action(going, orphan) == ClaimAction::kIgnore);
  CHECK(action(owner, orphan, false) == ClaimAction::kIgnore);
}

namespace {
endpoints::Groups group_of(int first, int last) {
  endpoints::Groups groups;
  endpoints::Port port;
  port.protocol = "TCP";
  port.port = 80;
  auto& list = groups[{port}];
  for (int i = first; i < last; ++i) {
    endpoints::Endpoint endpoint;
    endpoint.address = "10.0." + std::to_string(i / 256) + "." + std::to_string(i % 256);
    endpoint.pod_uid = std::to_string(i);
    endpoint.pod_name = endpoint.pod_uid;
    endpoint.ready = endpoint.serving = true;
    list.push_back(endpoint);
  }
  return groups;
}
}  // namespace

TEST_CASE("slices hold a hundred endpoints and change as little as possible") {
  const api::Object service(parse("{metadata: {name: s, namespace: n, uid: u}, spec: {selector: {a: b}}}"));
  auto changes = endpoints::plan_slices(service, "IPv4", group_of(0, 150), {});
  REQUIRE(changes.create.size() == 2);
  std::vector<api::Object> existing;
  for (const auto& slice : changes.create) existing.emplace_back(slice);
  CHECK(api::list(existing[0].json(), "endpoints").size() == 100);

  changes = endpoints::plan_slices(service, "IPv4", group_of(0, 150), existing);
  CHECK((changes.create.empty() && changes.update.empty() && changes.remove.empty()));

  changes = endpoints::plan_slices(service, "IPv4", group_of(0, 160), existing);
  CHECK((changes.create.empty() && changes.update.size() == 1 && changes.remove.empty()));

  // Without pods one empty slice remains.
  changes = endpoints::plan_slices(service, "IPv4", {}, existing);
  CHECK((changes.create.empty() && changes.update.size() == 1 && changes.remove.size() == 1));
  CHECK(api::list(changes.update[0], "endpoints").empty());
}

TEST_CASE("named ports resolve per pod, and readiness decides who serves") {
  const auto service =
      parse("{metadata: {name: s}, spec: {ports: [{name: http, port: 80, targetPort: web, protocol: TCP}]}}");
  const auto pod =
      parse("{spec: {containers: [{ports: [{name: web, containerPort: 8080, protocol: TCP}]}]}}");
  const auto ports = endpoints::ports_for(service, pod);
  REQUIRE(ports.size() == 1);
  CHECK(ports[0].port == 8080);
  CHECK(endpoints::ports_for(service, parse("{spec: {containers: [{}]}}")).empty());

  const api::Object leaving(
      parse("{metadata: {name: p, deletionTimestamp: '2026-01-01T00:00:00Z'}, status: {podIP: 10.0.0.1, "
            "conditions: [{type: Ready, status: 'True'}]}}"));
  const auto endpoint = endpoints::endpoint_for(service, leaving, api::Object(), "IPv4");
  CHECK((!endpoint.ready && endpoint.serving && endpoint.terminating));
  const auto open = parse("{metadata: {name: s}, spec: {publishNotReadyAddresses: true}}");
  CHECK(endpoints::endpoint_for(open, leaving, api::Object(), "IPv4").ready);
}

TEST_CASE("Endpoints beyond a thousand are cut off and marked") {
  const api::Object service(parse("{metadata: {name: s, namespace: n}, spec: {selector: {a: b}}}"));
  const auto made = endpoints::make_endpoints(service, group_of(0, 1001), api::Object());
  CHECK(api::list(api::list(made, "subsets").front(), "addresses").size() == 1000);
  CHECK(api::object(made, "metadata.annotations").at("endpoints.kubernetes.io/over-capacity") == "truncated");
  const auto fits = endpoints::make_endpoints(service, group_of(0, 3), api::Object(made));
  CHECK(api::object(fits, "metadata.annotations").empty());
}

TEST_CASE("node ranges never clash and come back") {
  auto set = CidrSet::make("10.42.0.0/22", 24);
  REQUIRE(set);
  set->occupy("10.42.0.0/24");
  set->occupy("10.42.2.128/25");
  CHECK(set->take() == "10.42.1.0/24");
  CHECK(set->take() == "10.42.3.0/24");
  CHECK_FALSE(set->take());
  set->release("10.42.1.0/24");
  CHECK(set->take() == "10.42.1.0/24");
  CHECK_FALSE(CidrSet::make("10.42.0.0/24", 16));
  CHECK_FALSE(CidrSet::make("nonsense", 24));
}

TEST_CASE("taints follow conditions, and foreign taints stay") {
  const auto node = parse(
      R"({spec: {unschedulable: true, taints: [{key: mine, effect: NoSchedule}, {key: node.kubernetes.io/not-ready, effect: NoExecute, timeAdded: "2026-01-01T00:00:00Z"},
    {key: node.kubernetes.io/unreachable, effect: NoExecute}]}, status: {conditions: [{type: Ready, status: 'False'}, {type: DiskPressure, status: 'True'}]}})");
  const auto taints = node_health::corrected_taints(node, kNow);
  REQUIRE(taints);
  std::vector<std::string> keys;
  for (const auto& taint : *taints)
    keys.push_back(std::string(api::str(taint, "key")) + ":" + std::string(api::str(taint, "effect")));
  CHECK(keys == std::vector<std::string>{"mine:NoSchedule", "node.kubernetes.io/not-ready:NoExecute",
                                         "node.kubernetes.io/not-ready:NoSchedule",
                                         "node.kubernetes.io/disk-pressure:NoSchedule",
                                         "node.kubernetes.io/unschedulable:NoSchedule"});
  CHECK(api::str(taints->at(1), "timeAdded") == "2026-01-01T00:00:00Z");
  api::Json right = node;
  api::set(right, "spec.taints", *taints);
  CHECK_FALSE(node_health::corrected_taints(right, kNow));
}

TEST_CASE("tolerations decide how long a pod stays") {
  api::JsonArray taints;
  taints.push_back(parse("{key: k, effect: NoExecute, timeAdded: '2026-01-01T11:59:50Z'}"));
  const auto left = [&](const char* tolerations) {
    return node_health::time_left(parse(std::string("{spec: {tolerations: ") + tolerations + "}}"), taints,
                                  kNow, kNow);
  };
  CHECK(left("[]") == rt::Duration(0));
  CHECK(left("[{key: k, operator: Exists, effect: NoExecute}]") == std::nullopt);
  CHECK(left("[{operator: Exists}]") == std::nullopt);
  CHECK(left("[{key: k, operator: Exists, effect: NoExecute, tolerationSeconds: 30}]") == rt::Duration(20s));
  CHECK(left("[{key: k, operator: Exists, tolerationSeconds: 30}, {key: k, operator: Exists, "
             "tolerationSeconds: 15}]") == rt::Duration(5s));
  CHECK(left("[{key: k, operator: Equal, value: other, effect: NoExecute}]") == rt::Duration(0));
}

TEST_CASE("the conditions of a namespace that is going") {
  auto ns = parse(
      "{spec: {finalizers: [kubernetes, other]}, status: {conditions: [{type: Mine, status: 'True'}]}}");
  nslifecycle::Remains remains;
  remains.instances["pods."] = 2;
  remains.finalizers["x/y"] = 1;
  CHECK(nslifecycle::write_conditions(ns, remains, kNow));
  CHECK_FALSE(nslifecycle::write_conditions(ns, remains, kNow));
  CHECK(api::str(*find_condition(ns, "NamespaceContentRemaining"), "message") ==
        "Some resources are remaining: pods. has 2 resource instances");
  CHECK(api::str(*find_condition(ns, "NamespaceFinalizersRemaining"), "message") ==
        "Some content in the namespace has finalizers remaining: x/y in 1 resource instances");
  CHECK(api::str(api::list(ns, "status.conditions").front(), "type") == "Mine");
  CHECK(api::list(nslifecycle::without_finalizer(ns), "spec.finalizers").size() == 1);
}

TEST_CASE("finished pods beyond the limit go, oldest first") {
  const auto pod = [](const char* name, const char* time, const char* phase) {
    return api::Object(parse(std::string("{metadata: {name: ") + name + ", creationTimestamp: '" + time +
                             "'}, status: {phase: " + phase + "}}"));
  };
  const auto gone = excess_finished(
      {pod("b", "2026-01-02T00:00:00Z", "Failed"), pod("a", "2026-01-01T00:00:00Z", "Succeeded"),
       pod("r", "2025-01-01T00:00:00Z", "Running")},
      1);
  REQUIRE(gone.size() == 1);
  CHECK(gone[0].name() == "a");
}
