#include <catch2/catch.hpp>

#include "cache/cache.h"
#include "mk/rt/loop.h"
#include "preemption/preemption.h"
#include "queue/queue.h"
#include "schedule_one.h"

using namespace mk;
using namespace mk::scheduler;
using namespace std::chrono_literals;

namespace {

api::Object parse(const std::string& yaml) {
  auto json = api::parse_yaml(yaml);
  REQUIRE(json.ok());
  return api::Object(*json);
}

// A cluster to place pods in, without any I/O.
struct Cluster {
  rt::ManualClock clock;
  std::unique_ptr<rt::Random> random = rt::make_random(1);
  Plugins plugins = default_plugins();
  Cache cache{clock};
  Nominated nominated;

  void node(const std::string& name, const std::string& spec = "{}", const std::string& labels = "{}",
            const std::string& allocatable = "{cpu: '2', memory: 4Gi, pods: 10}") {
    cache.set_node(parse("{kind: Node, metadata: {name: " + name + ", labels: " + labels +
                         "}, spec: " + spec + ", status: {allocatable: " + allocatable + "}}"));
  }
  static PodPtr pod(const std::string& name, const std::string& spec, const std::string& labels = "{}") {
    return make_pod_info(parse("{kind: Pod, metadata: {namespace: default, name: " + name + ", uid: " + name +
                               ", labels: " + labels + "}, spec: " + spec + "}"));
  }
  PodPtr run(const std::string& name, const std::string& spec, const std::string& labels = "{}") {
    auto made = pod(name, spec, labels);
    cache.set_pod(made);
    return made;
  }
  Decision decide(const PodPtr& pod) { return ScheduleOne(plugins, cache, *random).decide(pod, nominated); }
  std::string where(const std::string& spec, const std::string& labels = "{}") {
    auto decision = decide(pod("new", spec, labels));
    return decision.node.empty() ? decision.diagnosis.message() : decision.node;
  }
};

constexpr char kCpu[] = "containers: [{name: c, image: i, resources: {requests: {cpu: '1'}}}]";

}  // namespace

TEST_CASE("filters refuse in Kubernetes' words") {
  struct Row {
    const char* name;
    std::string node_spec, node_labels, pod_spec, answer;
  };
  const std::string all = "0/1 nodes are available: 1 ";
  const Row rows[] = {
      {"fits", "{}", "{}", "{" + std::string(kCpu) + "}", "one"},
      {"cordoned", "{unschedulable: true}", "{}", "{}", all + "node(s) were unschedulable."},
      {"cordoned, tolerated", "{unschedulable: true}", "{}",
       "{tolerations: [{key: node.kubernetes.io/unschedulable, operator: Exists}]}", "one"},
      {"taint", "{taints: [{key: k, value: v, effect: NoSchedule}]}", "{}", "{}",
       all + "node(s) had untolerated taint {k: v}."},
      {"taint tolerated", "{taints: [{key: k, value: v, effect: NoSchedule}]}", "{}",
       "{tolerations: [{key: k, operator: Equal, value: v, effect: NoSchedule}]}", "one"},
      {"taint tolerated by all", "{taints: [{key: k, value: v, effect: NoExecute}]}", "{}",
       "{tolerations: [{operator: Exists}]}", "one"},
      {"preferred taint", "{taints: [{key: k, effect: PreferNoSchedule}]}", "{}", "{}", "one"},
      {"selector", "{}", "{disk: hdd}", "{nodeSelector: {disk: ssd}}",
       all + "node(s) didn't match Pod's node affinity/selector."},
      {"selector holds", "{}", "{disk: ssd}", "{nodeSelector: {disk: ssd}}", "one"},
      {"node name field", "{}", "{}",
       "{affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: "
       "[{matchFields: [{key: metadata.name, operator: In, values: [one]}]}]}}}}",
       "one"},
      {"greater than", "{}", "{cores: '4'}",
       "{affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: "
       "[{matchExpressions: [{key: cores, operator: Gt, values: ['8']}]}]}}}}",
       all + "node(s) didn't match Pod's node affinity/selector."},
      {"cpu", "{}", "{}", "{containers: [{name: c, resources: {requests: {cpu: '3'}}}]}",
       all + "Insufficient cpu."},
      {"extended", "{}", "{}", "{containers: [{name: c, resources: {requests: {example.com/gpu: '1'}}}]}",
       all + "Insufficient example.com/gpu."},
      {"init peak", "{}", "{}",
       "{initContainers: [{name: i, resources: {requests: {memory: 5Gi}}}], containers: [{name: c}]}",
       all + "Insufficient memory."},
      {"spread label", "{}", "{}",
       "{topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: DoNotSchedule, "
       "labelSelector: {}}]}",
       all + "node(s) didn't match pod topology spread constraints (missing required label)."},
      {"affinity to nobody", "{}", "{h: one}",
       "{affinity: {podAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: h, "
       "labelSelector: {matchLabels: {a: b}}}]}}}",
       all + "node(s) didn't match pod affinity rules."},
  };
  for (const auto& row : rows) {
    INFO(row.name);
    Cluster cluster;
    cluster.node("one", row.node_spec, row.node_labels);
    CHECK(cluster.where(row.pod_spec) == row.answer);
  }
}

TEST_CASE("the message counts reasons over nodes") {
  Cluster cluster;
  CHECK(cluster.where("{}") == "no nodes available to schedule pods");
  cluster.node("a", "{taints: [{key: k, value: v, effect: NoSchedule}]}");
  cluster.node("b", "{taints: [{key: k, value: v, effect: NoSchedule}]}");
  cluster.node("c");
  CHECK(cluster.where("{containers: [{name: c, resources: {requests: {cpu: '3'}}}]}") ==
        "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint {k: v}.");
}

TEST_CASE("host ports clash by address and protocol") {
  Cluster cluster;
  cluster.node("one");
  cluster.run(
      "r",
      "{nodeName: one, containers: [{name: c, ports: [{hostPort: 80, hostIP: 127.0.0.1, protocol: TCP}]}]}");
  const std::string refused =
      "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.";
  CHECK(cluster.where("{containers: [{name: c, ports: [{hostPort: 80, protocol: TCP}]}]}") == refused);
  CHECK(cluster.where(
            "{containers: [{name: c, ports: [{hostPort: 80, hostIP: 127.0.0.2, protocol: TCP}]}]}") == "one");
  CHECK(cluster.where("{containers: [{name: c, ports: [{hostPort: 80, protocol: UDP}]}]}") == "one");
}

TEST_CASE("room is what requests leave, and pods that end give it back") {
  Cluster cluster;
  cluster.node("one");
  cluster.run("a", std::string("{nodeName: one, ") + kCpu + "}");
  cluster.run("b", std::string("{nodeName: one, ") + kCpu + "}");
  CHECK(cluster.where(std::string("{") + kCpu + "}") == "0/1 nodes are available: 1 Insufficient cpu.");
  cluster.cache.remove_pod("a");
  CHECK(cluster.where(std::string("{") + kCpu + "}") == "one");
}

TEST_CASE("scores prefer the emptier node, preferred labels and untainted nodes") {
  Cluster cluster;
  cluster.node("busy");
  cluster.node("idle");
  cluster.run("a", std::string("{nodeName: busy, ") + kCpu + "}");
  CHECK(cluster.where(std::string("{") + kCpu + "}") == "idle");
  cluster.node("idle", "{taints: [{key: k, effect: PreferNoSchedule}]}");
  CHECK(cluster.where("{}") == "busy");
  Cluster labelled;
  labelled.node("plain");
  labelled.node("liked", "{}", "{disk: ssd}");
  CHECK(labelled.where(
            "{affinity: {nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 10, "
            "preference: {matchExpressions: [{key: disk, operator: In, values: [ssd]}]}}]}}}") == "liked");
}

TEST_CASE("hard topology spreading keeps the skew") {
  Cluster cluster;
  cluster.node("a", "{}", "{zone: x}");
  cluster.node("b", "{}", "{zone: y}");
  cluster.run("r", "{nodeName: a}", "{app: web}");
  const std::string spec =
      "{topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: DoNotSchedule, "
      "labelSelector: {matchLabels: {app: web}}}]}";
  CHECK(cluster.where(spec, "{app: web}") == "b");
  cluster.run("s", "{nodeName: b}", "{app: web}");
  cluster.run("t", "{nodeName: b}", "{app: web}");
  CHECK(cluster.where(spec, "{app: web}") == "a");
  CHECK(cluster.where("{topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: "
                      "ScheduleAnyway, labelSelector: {matchLabels: {app: web}}}]}",
                      "{app: web}") == "a");
}

TEST_CASE("pod affinity and anti-affinity, of the new pod and of running ones") {
  Cluster cluster;
  cluster.node("a", "{}", "{h: a}");
  cluster.node("b", "{}", "{h: b}");
  cluster.run("r", "{nodeName: a}", "{app: db}");
  const auto affinity = [](const char* kind, const char* app) {
    return std::string("{affinity: {") + kind +
           ": {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: h, labelSelector: "
           "{matchLabels: {app: " +
           app + "}}}]}}}";
  };
  CHECK(cluster.where(affinity("podAffinity", "db")) == "a");
  CHECK(cluster.where(affinity("podAntiAffinity", "db")) == "b");
  // The first of its kind may go anywhere.
  CHECK(cluster.where(affinity("podAffinity", "web"), "{app: web}").size() == 1);
  auto lonely = parse(
      "{kind: Pod, metadata: {namespace: default, name: l, uid: l}, spec: {nodeName: b, affinity: "
      "{podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: h, labelSelector: "
      "{matchLabels: {app: web}}}]}}}}");
  cluster.cache.set_pod(make_pod_info(lonely));
  CHECK(cluster.where("{}", "{app: web}") == "a");
}

TEST_CASE("preemption takes the fewest and least important pods, or says why not") {
  Cluster cluster;
  cluster.node("a");
  cluster.node("b");
  const auto pod = [&](const char* name, const char* node, int priority) {
    return cluster.run(name, std::string("{nodeName: ") + node + ", priority: " + std::to_string(priority) +
                                 ", " + kCpu + "}");
  };
  pod("a1", "a", 10);
  pod("a2", "a", 5);
  pod("b1", "b", 1);
  pod("b2", "b", 20);
  const auto high = Cluster::pod("new", std::string("{priority: 100, ") + kCpu + "}");
  auto decision = cluster.decide(high);
  REQUIRE(decision.node.empty());
  auto plan = plan_preemption(cluster.plugins, cluster.cache, high, decision.diagnosis, {});
  CHECK(plan.node == "b");
  REQUIRE(plan.victims.size() == 1);
  CHECK(plan.victims[0]->key.name == "b1");

  const auto low = Cluster::pod("low", std::string("{priority: 0, ") + kCpu + "}");
  decision = cluster.decide(low);
  plan = plan_preemption(cluster.plugins, cluster.cache, low, decision.diagnosis, {});
  CHECK(plan.node.empty());
  CHECK(plan.message == "0/2 nodes are available: 2 No preemption victims found for incoming pod.");

  const auto huge =
      Cluster::pod("huge", "{priority: 100, containers: [{name: c, resources: {requests: {cpu: '9'}}}]}");
  decision = cluster.decide(huge);
  CHECK(plan_preemption(cluster.plugins, cluster.cache, huge, decision.diagnosis, {}).message ==
        "0/2 nodes are available: 2 Preemption is not helpful for scheduling.");

  // The room belongs to the nominated pod until it is there.
  cluster.cache.remove_pod("b1");
  cluster.nominated["b"].push_back(high);
  CHECK(cluster.decide(low).node.empty());
}

TEST_CASE("a large cluster is sampled") {
  CHECK(enough_nodes(3) == 3);
  CHECK(enough_nodes(100) == 100);
  CHECK(enough_nodes(1000) == 420);
  CHECK(enough_nodes(5000) == 500);
}

TEST_CASE("the queue orders by priority and wakes pods that an event may help") {
  rt::Loop loop;
  rt::ManualClock clock;
  SchedulingQueue queue(clock, [](const std::set<std::string>& plugins, const ClusterEvent& event) {
    return plugins.count("NodeResourcesFit") != 0 && event.kind == ClusterEvent::Kind::kPodRemoved;
  });
  queue.add(Cluster::pod("low", "{priority: 1}"));
  queue.add(Cluster::pod("high", "{priority: 9}"));
  queue.add(Cluster::pod("gated", "{priority: 10, schedulingGates: [{name: wait}]}"));
  CHECK(queue.active() == 2);
  PodPtr first;
  const auto pop = [&]() -> rt::Task<> { first = co_await queue.pop(); };
  rt::run_until_done(loop, pop());
  CHECK(first->key.name == "high");
  queue.put_back(first, {"NodeResourcesFit"});
  clock.advance(30s);
  queue.tick();
  CHECK(queue.active() == 1);
  ClusterEvent event;
  event.kind = ClusterEvent::Kind::kNodeChanged;
  queue.happened(event);
  CHECK(queue.active() == 1);
  event.kind = ClusterEvent::Kind::kPodRemoved;
  queue.happened(event);
  CHECK(queue.active() == 2);
  queue.add(Cluster::pod("gated", "{priority: 10}"));
  CHECK(queue.active() == 3);
}
