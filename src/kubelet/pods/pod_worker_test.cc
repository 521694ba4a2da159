#include <catch2/catch.hpp>

#include "testing/pods_on_node.h"

using namespace mk;
using namespace mk::kubelet;
using namespace std::chrono_literals;

namespace {

namespace res = api::resources;

}  // namespace

TEST_CASE("a pod of a runtime class starts with its handler, one of an unknown class does not") {
  PodsOnNode node;
  node.api.put(api::Gvr{"node.k8s.io", "v1", "runtimeclasses"},
               *api::parse_json(R"({"metadata":{"name":"small"},"handler":"crun"})"));
  node.create("a", R"({"runtimeClassName":"small","containers":[{"name":"c","image":"img"}]})");
  CHECK(node.phase("a") == "Running");
  const auto& calls = node.containers().calls;
  CHECK(std::find(calls.begin(), calls.end(), "sandbox a by crun") != calls.end());
  node.create("b", R"({"runtimeClassName":"none","containers":[{"name":"c","image":"img"}]})");
  CHECK(node.phase("b") == "Pending");
}

TEST_CASE("a pod runs, is deleted gracefully and leaves nothing") {
  PodsOnNode node;
  node.create("web", R"({"containers":[{"name":"a","image":"img"}],"terminationGracePeriodSeconds":30})");
  CHECK(node.phase("web") == "Running");
  CHECK(node.ready("web"));
  CHECK(api::str(node.get("web").json(), "status.podIP") == "10.42.0.2");
  CHECK(api::str(node.status_of("web"), "containerID") == "mk://uid-web-a-0");
  node.containers().ignores_signal.insert("a");
  node.remove("web", 30);
  CHECK(node.get("web").deleting());
  node.advance(29s);
  CHECK(node.get("web"));
  node.advance(2s);
  CHECK(!node.get("web"));
  CHECK(node.pods->workers().empty());
  CHECK(!file_exists(node.options.data_dir + "/pods/uid-web"));
}

TEST_CASE("a failing container is restarted with growing delays") {
  PodsOnNode node;
  node.create("bad", R"({"containers":[{"name":"a","image":"img"}]})");
  node.containers().finish("uid-bad", "a", 1);
  node.settle();
  CHECK(api::num(node.status_of("bad"), "restartCount") == 1);
  CHECK(api::num(node.status_of("bad"), "lastState.terminated.exitCode") == 1);
  node.containers().finish("uid-bad", "a", 1);
  node.settle();
  CHECK(api::str(node.status_of("bad"), "state.waiting.reason") == "CrashLoopBackOff");
  node.advance(9s);
  CHECK(api::str(node.status_of("bad"), "state.waiting.reason") == "CrashLoopBackOff");
  node.advance(2s);
  CHECK(api::num(node.status_of("bad"), "restartCount") == 2);
  CHECK(api::find(node.status_of("bad"), "state.running") != nullptr);
}

TEST_CASE("a pod that never restarts ends with the phase of its exit codes") {
  PodsOnNode node;
  node.create("good", R"({"restartPolicy":"Never","containers":[{"name":"a","image":"img"}]})");
  node.containers().finish("uid-good", "a", 0);
  node.settle();
  CHECK(node.phase("good") == "Succeeded");
  CHECK(!node.ready("good"));
  node.create("poor", R"({"restartPolicy":"Never","containers":[{"name":"a","image":"img"}]})");
  node.containers().finish("uid-poor", "a", 3);
  node.settle();
  CHECK(node.phase("poor") == "Failed");
  CHECK(api::num(node.status_of("poor"), "state.terminated.exitCode") == 3);
  node.remove("good", 30);
  CHECK(!node.get("good"));
}

TEST_CASE("a restarted kubelet adopts what runs without touching it") {
  PodsOnNode node;
  node.create("web", R"({"containers":[{"name":"a","image":"img"}]})");
  node.containers().calls.clear();
  node.restart();
  CHECK(node.containers().calls.empty());
  INFO(api::to_json(node.get("web").json()));
  CHECK(node.phase("web") == "Running");
  CHECK(node.ready("web"));
}

TEST_CASE("what was deleted while the kubelet was down is stopped") {
  PodsOnNode node;
  node.create("web", R"({"containers":[{"name":"a","image":"img"}]})");
  auto stop = [&]() -> rt::Task<> { co_await node.pods->stop(); };
  rt::run_until_done(node.loop, stop());
  node.api.erase(res::kPods, api::Key("default", "web"));
  node.restart();
  auto look = [&]() -> rt::Task<> { CHECK((co_await node.containers().snapshot()).empty()); };
  rt::run_until_done(node.loop, look());
  CHECK(!file_exists(node.options.data_dir + "/pods/uid-web"));
}

TEST_CASE("images are pulled by policy, and failures back off") {
  PodsOnNode node;
  node.create("web", R"({"containers":[{"name":"a","image":"far"}]})");
  const auto first = std::string(api::str(node.status_of("web"), "state.waiting.reason"));
  CHECK((first == "ErrImagePull" || first == "ImagePullBackOff"));  // the second follows at the next look
  node.advance(2s);
  CHECK(api::str(node.status_of("web"), "state.waiting.reason") == "ImagePullBackOff");
  CHECK(node.images().pulls == 1);
  node.images().in_registry.insert("far");
  node.advance(9s);
  CHECK(node.phase("web") == "Running");
}

TEST_CASE("a volume waits for its ConfigMap and follows it") {
  PodsOnNode node;
  node.create("web",
              R"({"containers":[{"name":"a","image":"img","volumeMounts":[{"name":"v","mountPath":"/v"}]}],
                         "volumes":[{"name":"v","configMap":{"name":"c","defaultMode":420}}]})");
  CHECK(api::str(node.status_of("web"), "state.waiting.reason") == "ContainerCreating");
  const auto config = [](const char* value) {
    return *api::parse_json(
        std::string(
            R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c","namespace":"default"},"data":{"k":")") +
        value + "\"}}");
  };
  node.api.put(res::kConfigMaps, config("one"));
  node.settle();
  CHECK(node.phase("web") == "Running");
  const std::string file = node.options.data_dir + "/pods/uid-web/volumes/kubernetes.io~configmap/v/k";
  CHECK(read_file(file).value_or("") == "one");
  node.api.put(res::kConfigMaps, config("two"));
  node.settle();
  CHECK(read_file(file).value_or("") == "two");
  node.remove("web", 0);
  CHECK(node.objects.size() == 0);
}

TEST_CASE("a liveness probe that fails restarts its container, a readiness probe only unreadies it") {
  PodsOnNode node;
  bool alive = true, ready = true;
  node.containers().exec_answer = [&](const std::string&, const std::vector<std::string>& argv) {
    ExecResult result;
    result.exit_code = (argv[0] == "live" ? alive : ready) ? 0 : 1;
    return result;
  };
  node.create("web", R"({"containers":[{"name":"a","image":"img",
    "livenessProbe":{"exec":{"command":["live"]},"periodSeconds":5,"failureThreshold":2},
    "readinessProbe":{"exec":{"command":["ready"]},"periodSeconds":5,"failureThreshold":1}}]})");
  CHECK(node.ready("web"));
  ready = false;
  node.advance(6s);
  CHECK(!node.ready("web"));
  CHECK(api::num(node.status_of("web"), "restartCount") == 0);
  ready = true;
  alive = false;
  node.advance(6s);
  CHECK(node.ready("web"));
  node.advance(6s);
  CHECK(api::num(node.status_of("web"), "restartCount") == 1);
}

TEST_CASE("hooks run, and sidecars stop after the containers they serve") {
  PodsOnNode node;
  node.create("web", R"({"initContainers":[{"name":"s","image":"img","restartPolicy":"Always"}],
    "containers":[{"name":"a","image":"img","lifecycle":{"postStart":{"exec":{"command":["up"]}},"preStop":{"exec":{"command":["down"]}}}}]})");
  CHECK(node.phase("web") == "Running");
  node.remove("web", 30);
  CHECK(node.get("web"));  // for a moment
  node.advance(100ms);
  CHECK(!node.get("web"));
  CHECK(node.containers().calls == std::vector<std::string>{"sandbox web", "start s", "start a", "exec a up",
                                                            "exec a down", "stop a", "stop s",
                                                            "stop sandbox"});
}

TEST_CASE("a pod past its deadline fails") {
  PodsOnNode node;
  node.create("slow", R"({"activeDeadlineSeconds":20,"containers":[{"name":"a","image":"img"}]})");
  node.advance(19s);
  CHECK(node.phase("slow") == "Running");
  node.advance(2s);
  CHECK(node.phase("slow") == "Failed");
  CHECK(api::str(node.get("slow").json(), "status.reason") == "DeadlineExceeded");
}

TEST_CASE("what does not fit the node is refused") {
  PodsOnNode node;
  node.create("big", R"({"containers":[{"name":"a","image":"img","resources":{"requests":{"cpu":"5"}}}]})");
  CHECK(node.phase("big") == "Failed");
  CHECK(api::str(node.get("big").json(), "status.reason") == "OutOfcpu");
  node.create("other", R"({"nodeSelector":{"disk":"ssd"},"containers":[{"name":"a","image":"img"}]})");
  CHECK(api::str(node.get("other").json(), "status.reason") == "NodeAffinity");
}

TEST_CASE("a missing ConfigMap in the environment holds the container back") {
  PodsOnNode node;
  node.create(
      "web",
      R"({"containers":[{"name":"a","image":"img","env":[{"name":"X","valueFrom":{"configMapKeyRef":{"name":"c","key":"k"}}}]}]})");
  CHECK(api::str(node.status_of("web"), "state.waiting.reason") == "CreateContainerConfigError");
  node.api.put(
      res::kConfigMaps,
      *api::parse_json(
          R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c","namespace":"default"},"data":{"k":"v"}})"));
  node.advance(11s);
  CHECK(node.phase("web") == "Running");
  const auto& env = node.containers().configs["a"].env;
  CHECK(std::find(env.begin(), env.end(), "X=v") != env.end());
}

TEST_CASE("a program that does not exist ends its container with 128") {
  PodsOnNode node;
  node.containers().cannot_start = {"a"};
  node.create("never", R"({"restartPolicy":"Never","containers":[{"name":"a","image":"img"}]})");
  CHECK(node.phase("never") == "Failed");
  CHECK(api::str(node.status_of("never"), "state.terminated.reason") == "StartError");
  CHECK(api::num(node.status_of("never"), "state.terminated.exitCode") == 128);
  node.create("always", R"({"containers":[{"name":"a","image":"img"}]})");
  CHECK(api::str(node.status_of("always"), "state.waiting.reason") == "CrashLoopBackOff");
  CHECK(api::str(node.status_of("always"), "lastState.terminated.reason") == "StartError");
  node.containers().cannot_start.clear();
  node.advance(11s);
  CHECK(node.phase("always") == "Running");
}

TEST_CASE("a lost sandbox is replaced, and its containers start again") {
  PodsOnNode node;
  node.create("web", R"({"containers":[{"name":"a","image":"img"}]})");
  node.containers().kill_sandbox("uid-web");
  node.settle();
  CHECK(node.phase("web") == "Running");
  CHECK(api::num(node.status_of("web"), "restartCount") == 1);
  CHECK(api::num(node.status_of("web"), "lastState.terminated.exitCode") == 137);
}

TEST_CASE("a forced deletion stops what ignores its signal") {
  PodsOnNode node;
  node.create("web", R"({"containers":[{"name":"a","image":"img"}]})");
  node.containers().ignores_signal.insert("a");
  node.remove("web", 30);
  node.remove("web", 0);
  CHECK(!node.get("web"));
  node.advance(2s);
  CHECK(node.pods->workers().empty());
}

namespace {

std::string condition(const api::Object& pod, std::string_view type) {
  for (const Json& condition : api::list(pod.json(), "status.conditions"))
    if (api::str(condition, "type") == type) return std::string(api::str(condition, "reason", "True"));
  return "";
}

// What the resize subresource does.
void resize(PodsOnNode& node, const std::string& name, const char* resources) {
  Json pod = node.get(name).json();
  pod.at("spec").at("containers").as_array()[0].as_object()["resources"] = api::parse_json(resources).value();
  node.api.put(res::kPods, pod);
  node.settle();
}

const char* const kSized = R"({"containers":[{"name":"a","image":"img","resources":
  {"requests":{"cpu":"1","memory":"64Mi"},"limits":{"memory":"64Mi"}},
  "resizePolicy":[{"resourceName":"memory","restartPolicy":"RestartContainer"}]}]})";

}  // namespace

TEST_CASE("a resize changes the running container, and the pod's group around it") {
  PodsOnNode node;
  node.create("web", kSized);
  node.containers().calls.clear();
  resize(node, "web", R"({"requests":{"cpu":"2","memory":"64Mi"},"limits":{"memory":"64Mi"}})");
  CHECK(node.containers().calls == std::vector<std::string>{"resize pod shares=2048 memory=67108864",
                                                            "resize a shares=2048 memory=67108864",
                                                            "resize pod shares=2048 memory=67108864"});
  CHECK(api::str(node.status_of("web"), "allocatedResources.cpu") == "2");
  CHECK(api::str(node.status_of("web"), "resources.requests.cpu") == "2");
  CHECK(condition(node.get("web"), "PodResizeInProgress").empty());
  node.restart();  // what was granted is known from the status
  CHECK(node.containers().calls.size() == 3);
}

TEST_CASE("a resize that does not fit waits, or never comes") {
  PodsOnNode node;
  node.create("web", kSized);
  node.create("other", R"({"containers":[{"name":"b","image":"img","resources":{"requests":{"cpu":"2"}}}]})");
  node.containers().calls.clear();
  resize(node, "web", R"({"requests":{"cpu":"9","memory":"64Mi"},"limits":{"memory":"64Mi"}})");
  CHECK(condition(node.get("web"), "PodResizePending") == "Infeasible");
  resize(node, "web", R"({"requests":{"cpu":"3","memory":"64Mi"},"limits":{"memory":"64Mi"}})");
  CHECK(condition(node.get("web"), "PodResizePending") == "Deferred");
  CHECK(api::str(node.status_of("web"), "resources.requests.cpu") == "1");
  CHECK(node.containers().calls.empty());
  node.remove("other", 0);
  node.advance(11s);
  CHECK(condition(node.get("web"), "PodResizePending").empty());
  CHECK(api::str(node.status_of("web"), "allocatedResources.cpu") == "3");
}

TEST_CASE("a resize restarts the container where its policy says so") {
  PodsOnNode node;
  node.create("web", kSized);
  resize(node, "web", R"({"requests":{"cpu":"1","memory":"128Mi"},"limits":{"memory":"128Mi"}})");
  CHECK(api::num(node.status_of("web"), "restartCount") == 1);
  CHECK(api::find(node.status_of("web"), "state.running") != nullptr);
  CHECK(node.containers().configs["a"].resources.memory_limit == 128 << 20);
  CHECK(api::str(node.status_of("web"), "resources.limits.memory") == "128Mi");
}

TEST_CASE("an image volume's image is pulled and mounted read-only") {
  PodsOnNode node;
  node.images().in_registry.insert("data:1");
  node.create("web", R"({"volumes":[{"name":"v","image":{"reference":"data:1","pullPolicy":"Always"}}],
    "containers":[{"name":"a","image":"img","volumeMounts":[{"name":"v","mountPath":"/data"}]}]})");
  CHECK(node.phase("web") == "Running");
  CHECK(node.images().pulls == 1);
  REQUIRE(node.images().mounts.size() == 1);
  CHECK(node.images().mounts[0].starts_with("sha256:data:1 on "));
  const auto& mounts = node.containers().configs["a"].mounts;
  CHECK(std::any_of(mounts.begin(), mounts.end(),
                    [](const Mount& m) { return m.container_path == "/data" && m.read_only; }));
}

TEST_CASE("a pod waits for the image of its volume") {
  PodsOnNode node;
  node.create("web", R"({"volumes":[{"name":"v","image":{"reference":"data:1"}}],
    "containers":[{"name":"a","image":"img"}]})");
  CHECK(node.phase("web") == "Pending");
  node.images().in_registry.insert("data:1");
  node.advance(11s);
  CHECK(node.phase("web") == "Running");
}

TEST_CASE("a debug container sees the processes of its target") {
  PodsOnNode node;
  node.create("web", R"({"containers":[{"name":"a","image":"img"}],
    "ephemeralContainers":[{"name":"d","image":"img","targetContainerName":"a"}]})");
  CHECK(node.containers().configs["d"].pid_target == "uid-web-a-0");
  CHECK(node.containers().configs["a"].pid_target.empty());
}
