#include <catch2/catch.hpp>

#include "static_pods/manifest.h"
#include "static_pods/static_pods.h"
#include "testing/pods_on_node.h"

using namespace mk;
using namespace mk::kubelet;
using namespace std::chrono_literals;

namespace {

constexpr auto kWeb = R"(
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  terminationGracePeriodSeconds: 7
  containers: [{name: a, image: "img:v1"}]
)";

Result<Json> parse(const std::string& manifest, const std::string& node = "N1") {
  return make_static_pod(manifest, "/m/web.yaml", node, rt::WallTime());
}

// A node whose folder of static pods the test fills.
struct StaticNode : PodsOnNode {
  StaticNode() {
    images().add("img:v1");
    options.static_pods_dir = options.data_dir + "/pod-manifests";
    node_json = *api::parse_json(R"({"metadata":{"name":"n1","uid":"node-uid"}})");
    statics = std::make_unique<StaticPods>(context, *pods, [this]() -> const Json& { return node_json; });
    pods->static_changed = [this] { statics->wake(); };
    auto begin = [this]() -> rt::Task<> {
      (void)co_await statics->load();
      statics->start(group);
    };
    rt::run_until_done(loop, begin());
    settle();
  }
  ~StaticNode() { rt::run_until_done(loop, group.stop()); }

  void write(const std::string& name, const std::string& content) {
    REQUIRE(write_file(options.static_pods_dir + "/" + name, content).ok());
    settle();
  }
  void drop(const std::string& name) {
    REQUIRE(::unlink((options.static_pods_dir + "/" + name).c_str()) == 0);
    settle();
  }
  std::string hash() { return std::string(get("web-n1").annotation(kConfigHash)); }

  Json node_json;
  std::unique_ptr<StaticPods> statics;
};

}  // namespace

TEST_CASE("a manifest becomes a complete pod whose uid says what it is made of") {
  const Json pod = *parse(kWeb);
  CHECK(api::str(pod, "metadata.name") == "web-n1");
  CHECK(api::str(pod, "metadata.namespace") == "default");
  CHECK(api::str(pod, "spec.nodeName") == "N1");
  CHECK(api::str(pod, "spec.restartPolicy") == "Always");
  CHECK(api::str(api::list(pod, "spec.containers")[0], "imagePullPolicy") == "IfNotPresent");
  CHECK(api::str(api::list(pod, "spec.tolerations")[0], "effect") == "NoExecute");
  const auto uid = api::str(pod, "metadata.uid");
  CHECK(uid.size() == 32);
  CHECK(is_static(pod));
  CHECK(!is_mirror(pod));
  CHECK(api::str(*parse(kWeb), "metadata.uid") == uid);
  CHECK(api::str(*parse(kWeb, "n2"), "metadata.uid") != uid);
  CHECK(api::str(*parse(std::string(kWeb) + "  hostNetwork: true\n"), "metadata.uid") != uid);
}

TEST_CASE("a mirror shows its manifest, belongs to the node and has no uid of its own") {
  const Json pod = *parse(kWeb), other = *parse(std::string(kWeb) + "  hostNetwork: true\n");
  const Json mirror = make_mirror(pod, *api::parse_json(R"({"metadata":{"name":"n1","uid":"u"}})"));
  CHECK(is_mirror(mirror));
  CHECK(!is_static(mirror));
  CHECK(shows(mirror, pod));
  CHECK(!shows(mirror, other));
  CHECK(api::str(mirror, "metadata.uid").empty());
  CHECK(api::find(mirror, "status") == nullptr);
  CHECK(api::str(api::list(mirror, "metadata.ownerReferences")[0], "uid") == "u");
}

TEST_CASE("manifests that are no pods or need the API are refused") {
  CHECK(!parse("apiVersion: v1\nkind: Service\nmetadata: {name: a}").ok());
  CHECK(!parse("- a").ok());
  CHECK(!parse("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {}").ok());
  CHECK(!parse("apiVersion: v1\nkind: Pod\nmetadata: {name: ../a}\nspec: {containers: [{name: a, image: b}]}")
             .ok());
  for (const char* more :
       {"  serviceAccountName: x\n", "  volumes: [{name: v, secret: {secretName: s}}]\n",
        "  volumes: [{name: v, configMap: {name: s}}]\n", "  imagePullSecrets: [{name: s}]\n"}) {
    const auto pod = parse(std::string(kWeb) + more);
    REQUIRE(!pod.ok());
    CHECK(pod.error().message().find("static pods may not refer to") != std::string::npos);
  }
  CHECK(parse(std::string(kWeb) + "  volumes: [{name: v, hostPath: {path: /etc}}]\n").ok());
}

TEST_CASE("a static pod runs, shows in the API and goes with its file") {
  StaticNode node;
  node.write("web.yaml", kWeb);
  const auto mirror = node.get("web-n1");
  REQUIRE(mirror);
  CHECK(node.phase("web-n1") == "Running");
  CHECK(node.ready("web-n1"));
  CHECK(mirror.annotation(kConfigMirror) == mirror.annotation(kConfigHash));
  const PodWorker* worker = node.pods->find("default", "web-n1");
  REQUIRE(worker != nullptr);
  CHECK(worker->pod().uid() == mirror.annotation(kConfigHash));
  CHECK(worker->pod().uid() != mirror.uid());
  node.drop("web.yaml");
  node.advance(1s);
  CHECK(!node.get("web-n1"));
  CHECK(node.pods->workers().empty());
}

TEST_CASE("a deleted mirror comes back and its pod runs on") {
  StaticNode node;
  node.write("web.yaml", kWeb);
  const std::string first(node.get("web-n1").uid());
  node.remove("web-n1", 30);
  node.advance(1s);
  const auto again = node.get("web-n1");
  REQUIRE(again);
  CHECK(again.uid() != first);
  CHECK(!again.deleting());
  CHECK(node.phase("web-n1") == "Running");
  CHECK(std::count(node.containers().calls.begin(), node.containers().calls.end(), "start a") == 1);
}

TEST_CASE("a changed manifest replaces the pod once the old one has ended") {
  StaticNode node;
  node.containers().ignores_signal.insert("a");
  node.write("web.yaml", kWeb);
  const auto first = node.hash();
  node.write("web.yaml", std::string(kWeb) + "  hostNetwork: true\n");
  CHECK(node.pods->workers().size() == 1);
  CHECK(node.hash() == first);
  node.advance(8s);
  node.advance(1s);
  CHECK(node.hash() != first);
  CHECK(node.pods->workers().size() == 1);
  CHECK(node.phase("web-n1") == "Running");
}

TEST_CASE("a broken manifest leaves the pod of the last good one") {
  StaticNode node;
  node.write("web.yaml", kWeb);
  const auto first = node.hash();
  node.write("web.yaml", "kind: [");
  CHECK(node.hash() == first);
  CHECK(node.phase("web-n1") == "Running");
  node.write(".hidden.yaml", std::string(kWeb));
  node.write("zoo.yaml", std::string(kWeb));  // the same name: the first file wins
  CHECK(node.pods->workers().size() == 1);
  CHECK(node.hash() == first);
}

TEST_CASE("a manifest that went and came back at once restarts its pod, which counts") {
  StaticNode node;
  node.write("web.yaml", kWeb);
  const auto first = node.get("web-n1");
  REQUIRE(::unlink((node.options.static_pods_dir + "/web.yaml").c_str()) == 0);
  node.write("web.yaml", kWeb);
  node.advance(1s);
  CHECK(node.phase("web-n1") == "Running");
  CHECK(node.hash() == first.annotation(kConfigHash));
  CHECK(api::num(node.status_of("web-n1"), "restartCount") == 1);
}

TEST_CASE("a name that somebody else's pod has is waited for, and holds up no other") {
  StaticNode node;
  node.create("web-n1", R"({"containers":[{"name":"b","image":"img:v1"}]})");
  node.write("web.yaml", kWeb);
  std::string other = kWeb;
  other.replace(other.find("name: web,"), 10, "name: zoo,");
  node.write("zoo.yaml", other);
  CHECK(node.phase("zoo-n1") == "Running");
  CHECK(node.get("web-n1").annotation(kConfigMirror).empty());
  node.remove("web-n1", 0);
  node.advance(1s);
  CHECK_FALSE(node.get("web-n1").annotation(kConfigMirror).empty());
}

TEST_CASE("a static pod gets its room on a full node") {
  StaticNode node;
  node.create("big",
              R"({"containers":[{"name":"b","image":"img:v1","resources":{"requests":{"cpu":"4"}}}]})");
  REQUIRE(node.phase("big") == "Running");
  std::string web = kWeb;
  web.replace(web.find("image: \"img:v1\""), 15, "image: \"img:v1\", resources: {requests: {cpu: \"1\"}}");
  node.write("web.yaml", web);
  CHECK(node.phase("web-n1") == "Running");
  CHECK(node.phase("big") == "Failed");
  CHECK(api::str(node.get("big").json(), "status.reason") == "Preempting");
}
