#include "daemonset/plan.h"
#include "kit/revisions.h"
#include "kit/test_world.h"

using namespace mk;
using namespace mk::controller;
using namespace mk::controller::testing;
using namespace mk::api::resources;
using namespace std::chrono_literals;
using daemonset::Placement;
using daemonset::View;

namespace {

const rt::WallTime kNow = *rt::parse_time("2026-01-01T12:00:00Z");

api::Object object(const std::string& yaml) {
  auto json = api::parse_yaml(yaml);
  INFO(yaml);
  REQUIRE(json.ok());
  return api::Object(*json);
}

std::string manifest(const std::string& pod_spec = "", const std::string& strategy = "{maxUnavailable: 1}") {
  return R"({apiVersion: apps/v1, kind: DaemonSet, metadata: {name: d, namespace: default, uid: d-1, generation: 1},
    spec: {selector: {matchLabels: {app: d}}, revisionHistoryLimit: 10,
    updateStrategy: {type: RollingUpdate, rollingUpdate: )" +
         strategy + R"(},
    template: {metadata: {labels: {app: d}}, spec: {containers: [{name: c, image: "nginx:1"}])" +
         pod_spec + "}}}}";
}

api::Object node(const std::string& name, const std::string& labels = "", const std::string& taints = "") {
  return object("{apiVersion: v1, kind: Node, metadata: {name: " + name + ", labels: {" + labels +
                "}}, spec: {taints: [" + taints + "]}}");
}

Placement place(const std::string& pod_spec, const api::Object& on) {
  return daemonset::Demands(*api::find(object(manifest(pod_spec)).json(), "spec.template")).on(on);
}

// "1 new ready": a pod on node n1.
api::Object pod(const std::string& text) {
  const auto has = [&text](const char* word) { return text.find(word) != std::string::npos; };
  api::Json json;
  api::set(json, "metadata.name", api::text("d-" + text));
  api::set(json, "metadata.labels", api::JsonObject{{daemonset::kHash, has("new") ? "new" : "old"}});
  api::set(json, "metadata.creationTimestamp",
           has("young") ? "2026-01-01T11:00:00Z" : "2026-01-01T10:00:00Z");
  if (has("going")) api::set(json, "metadata.deletionTimestamp", "2026-01-01T12:00:30Z");
  api::set(json, "spec.nodeName", api::text("n" + text.substr(0, 1)));
  api::set(json, "status.phase", has("failed") ? "Failed" : "Running");
  if (has("ready")) set_condition(json, Condition("Ready", "True", "", ""), kNow - 1h);
  return api::Object(json);
}

View view(const std::vector<std::string>& pods, const char* strategy = "{maxUnavailable: 1}") {
  std::vector<api::Object> made;
  for (const auto& text : pods) made.push_back(pod(text));
  const std::vector<api::Object> nodes{node("n1"), node("n2"), node("n3")};
  return View(object(manifest("", strategy)), nodes, made, "new", kNow);
}

std::string plan(const std::vector<std::string>& pods, const char* strategy = "{maxUnavailable: 1}") {
  const auto todo = daemonset::plan(view(pods, strategy));
  std::string text;
  for (const auto& name : todo.create) text += "+" + name + " ";
  for (const auto& one : todo.remove) text += "-" + std::string(one.name().substr(2)) + " ";
  for (const auto& one : todo.ended) text += "x" + std::string(one.name().substr(2)) + " ";
  return text;
}

// Nodes of the world have no kubelet, so that they are tainted.
const char* const kAnywhere = ", tolerations: [{operator: Exists}]";

void add_node(World& world, const std::string& name, const std::string& labels = "") {
  world.server.put(kNodes, node(name, labels).json());
  world.settle();
}

std::vector<std::string> places(World& world) {
  std::vector<std::string> names;
  for (const auto& one : world.server.all(kPods)) {
    if (!one.deleting()) names.push_back(daemonset::node_of(one));
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

TEST_CASE("which nodes a daemon belongs on") {
  const Placement yes{true, true}, no{false, false}, stays{false, true};
  const auto plain = node("n1", "color: blue");
  CHECK(place("", plain) == yes);
  CHECK(place(", nodeName: n2", plain) == no);
  CHECK(place(", nodeSelector: {color: blue}", plain) == yes);
  CHECK(place(", nodeSelector: {color: green}", plain) == no);
  const auto affinity = [](const char* term) {
    return std::string(
               ", affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: "
               "{nodeSelectorTerms: [") +
           term + "]}}}";
  };
  CHECK(place(affinity("{matchExpressions: [{key: color, operator: In, values: [blue]}]}"), plain) == yes);
  CHECK(place(affinity("{matchExpressions: [{key: color, operator: NotIn, values: [blue]}]}"), plain) == no);
  CHECK(place(affinity("{matchFields: [{key: metadata.name, operator: In, values: [n1]}]}"), plain) == yes);
  // Taints keep daemons away or drive them out, but not those of a node in trouble.
  CHECK(place("", node("n", "", "{key: a, effect: NoSchedule}")) == stays);
  CHECK(place("", node("n", "", "{key: a, effect: NoExecute}")) == no);
  CHECK(place("", node("n", "", "{key: a, effect: PreferNoSchedule}")) == yes);
  CHECK(place(", tolerations: [{key: a, operator: Exists}]", node("n", "", "{key: a, effect: NoExecute}")) ==
        yes);
  CHECK(place("", node("n", "", "{key: node.kubernetes.io/unschedulable, effect: NoSchedule}")) == yes);
  CHECK(place("", node("n", "", "{key: node.kubernetes.io/not-ready, effect: NoExecute}")) == yes);
  const auto unconnected = node("n", "", "{key: node.kubernetes.io/network-unavailable, effect: NoSchedule}");
  CHECK(place("", unconnected) == stays);
  CHECK(place(", hostNetwork: true", unconnected) == yes);
}

TEST_CASE("a daemon's pod is bound to its node by affinity, and tolerates its troubles") {
  const auto set =
      object(manifest(", affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: "
                      "{nodeSelectorTerms: [{matchExpressions: [{key: a, operator: Exists}]}]}}}"));
  const daemonset::Demands demands(*api::find(set.json(), "spec.template"));
  const api::Object made(daemonset::make_pod(set, demands, "n7", "abc"));
  CHECK(daemonset::node_of(made) == "n7");
  CHECK(made.label(daemonset::kHash) == "abc");
  CHECK(api::to_json(*api::find(made.json(), "spec.affinity.nodeAffinity")) ==
        R"({"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[{"matchFields":[{"key":)"
        R"("metadata.name","operator":"In","values":["n7"]}]}]}})");
  CHECK(api::list(made.json(), "spec.tolerations").size() == 6);
}

TEST_CASE("one daemon a node") {
  CHECK(plan({}) == "+n1 +n2 +n3 ");
  CHECK(plan({"1 new ready", "2 new ready"}) == "+n3 ");
  CHECK(plan({"1 new ready", "2 new going", "3 new ready"}) == "");
  CHECK(plan({"1 new ready", "1 new ready young", "2 new ready", "3 new ready"}) == "-1 new ready young ");
  CHECK(plan({"1 new failed", "2 new ready", "3 new ready"}) == "x1 new failed ");
}

TEST_CASE("a daemon update keeps to what may be unavailable") {
  CHECK(plan({"1 old ready", "2 old ready", "3 old ready"}) == "-1 old ready ");
  CHECK(plan({"1 new", "2 old ready", "3 old ready"}) == "");
  CHECK(plan({"1 new ready", "2 old ready", "3 old ready"}) == "-2 old ready ");
  // What is down already costs nothing; those that run the new template stay.
  CHECK(plan({"1 old", "2 new ready", "3 old ready"}) == "-1 old ");
  CHECK(plan({"1 old ready", "2 old ready", "3 old ready"}, "{maxUnavailable: 50%}") ==
        "-1 old ready -2 old ready ");
}

TEST_CASE("a daemon update with surge starts the new pod first") {
  const char* surge = "{maxSurge: 1, maxUnavailable: 0}";
  CHECK(plan({"1 old ready", "2 old ready", "3 old ready"}, surge) == "+n1 ");
  CHECK(plan({"1 old ready", "1 new young", "2 old ready", "3 old ready"}, surge) == "");
  CHECK(plan({"1 old ready", "1 new ready young", "2 old ready", "3 old ready"}, surge) ==
        "+n2 -1 old ready ");
  CHECK(plan({"1 old", "2 new ready", "3 new ready"}, surge) == "+n1 ");
}

TEST_CASE("a DaemonSet's status counts nodes") {
  const auto status = daemonset::status_of(object(manifest()), view({"1 new ready", "2 old ready", "3 new"}));
  CHECK(api::to_json(status) ==
        R"({"currentNumberScheduled":3,"numberMisscheduled":0,"desiredNumberScheduled":3,"numberReady":2,)"
        R"("observedGeneration":1,"updatedNumberScheduled":2,"numberAvailable":2,"numberUnavailable":1})");
}

TEST_CASE("a DaemonSet follows its nodes, and rolls out") {
  World world;
  add_node(world, "n1", "color: blue");
  add_node(world, "n2");
  world.put(kDaemonSets, manifest(std::string(kAnywhere) + ", nodeSelector: {color: blue}").c_str());
  CHECK(places(world) == std::vector<std::string>{"n1"});
  add_node(world, "n2", "color: blue");
  CHECK(places(world) == std::vector<std::string>{"n1", "n2"});
  add_node(world, "n1", "color: green");
  CHECK(places(world) == std::vector<std::string>{"n2"});
  world.make_all_ready();
  auto live = world.server.find(kDaemonSets, api::Key("default", "d"));
  CHECK(api::num(live.json(), "status.numberReady") == 1);

  const auto before = world.server.all(kPods).at(0).uid();
  edit(world, kDaemonSets, "d",
       [](api::Json& json) { api::set(json, "spec.template.metadata.annotations.a", "b"); });
  world.roll();
  CHECK(places(world) == std::vector<std::string>{"n2"});
  CHECK(world.server.all(kPods).at(0).uid() != before);
  CHECK(world.server.all(kControllerRevisions).size() == 2);
  live = world.server.find(kDaemonSets, api::Key("default", "d"));
  CHECK(api::num(live.json(), "status.updatedNumberScheduled") == 1);
}

TEST_CASE("a daemon that fails is replaced, the second time after a pause") {
  World world;
  add_node(world, "n1");
  world.put(kDaemonSets, manifest(kAnywhere).c_str());
  const auto fail = [&world] {
    const auto one = world.server.all(kPods).at(0);
    auto json = one.json();
    api::set(json, "status.phase", "Failed");
    world.server.put(kPods, json);
    world.settle(100ms);
    return std::string(one.name());
  };
  const auto first = fail();
  world.settle(100ms);
  REQUIRE(world.pods() == 1);
  CHECK(world.server.all(kPods)[0].name() != first);
  const auto second = fail();
  CHECK(world.server.all(kPods).at(0).name() == second);
  world.settle(1s);
  CHECK(world.server.all(kPods).at(0).name() != second);
}

TEST_CASE("what a revision stores brings the template back") {
  const auto set = object(manifest());
  const auto& pod_template = *api::find(set.json(), "spec.template");
  const auto data = revision_data(pod_template);
  CHECK(api::to_json(data) ==
        R"({"spec":{"template":{"$patch":"replace","metadata":{"labels":{"app":"d"}},"spec":{"containers":)"
        R"([{"image":"nginx:1","name":"c","resources":{}}]}}}})");
  const api::Object revision(api::Json(api::JsonObject{{"data", data}}));
  CHECK(same_data(revision, data));
  CHECK(api::find(template_of(revision), "$patch") == nullptr);
}
