#include <catch2/catch.hpp>

#include "mk/api/resource.h"
#include "mk/api/volume_matching.h"
#include "mk/client/fake_client.h"
#include "mk/rt/group.h"
#include "mk/scheduler/scheduler.h"

using namespace mk;
using namespace std::chrono_literals;
using namespace mk::api::resources;
using namespace mk::api::volume;

namespace {

// The scheduler with two nodes, and nobody who binds claims but the test.
struct World {
  rt::Loop loop;
  rt::ManualClock clock;
  std::unique_ptr<rt::Random> random = rt::make_random(1);
  client::FakeClient server{clock};
  std::unique_ptr<scheduler::Scheduler> scheduler = scheduler::make_scheduler(loop, clock, *random, server);
  rt::Group group{loop.executor()};

  World() {
    for (const char* name : {"one", "two"})
      put(kNodes, std::string("{apiVersion: v1, kind: Node, metadata: {name: ") + name +
                      ", labels: {kubernetes.io/hostname: " + name +
                      "}}, status: {allocatable: {cpu: '4', memory: 1Gi, pods: 10}}}");
    for (const auto& [name, provisioner] :
         {std::pair("late", "kubernetes.io/no-provisioner"), {"made", "example.com/maker"}})
      put(kClasses, std::string("{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: ") +
                        name + "}, provisioner: " + provisioner +
                        ", volumeBindingMode: WaitForFirstConsumer}");
    group.spawn("start", scheduler->start());
    settle();
  }
  ~World() {
    rt::run_until_done(loop, scheduler->stop());
    rt::run_until_done(loop, group.stop());
  }
  void settle(rt::Duration by = 15s) {
    for (rt::Duration done{0}; done < by; done += 100ms) {
      while (loop.poll() > 0) {
      }
      clock.advance(100ms);
    }
    while (loop.poll() > 0) {
    }
  }
  void put(const api::Gvr& gvr, const std::string& yaml) {
    auto json = api::parse_yaml(yaml);
    REQUIRE(json.ok());
    server.put(gvr, *json);
  }
  void claim(const std::string& name, const std::string& storage_class,
             const std::string& mode = "ReadWriteOnce") {
    put(kClaims, "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {namespace: default, name: " +
                     name + ", uid: claim-" + name + "}, spec: {storageClassName: " + storage_class +
                     ", accessModes: [" + mode + "], resources: {requests: {storage: 1Gi}}}}");
  }
  void volume(const std::string& name, const std::string& node, const std::string& size = "1Gi") {
    put(kVolumes,
        "{apiVersion: v1, kind: PersistentVolume, metadata: {name: " + name +
            "}, spec: {storageClassName: late, accessModes: [ReadWriteOnce], capacity: {storage: " + size +
            "}, local: {path: /x}, nodeAffinity: {required: {nodeSelectorTerms: "
            "[{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [" +
            node + "]}]}]}}}, status: {phase: Available}}");
  }
  void pod(const std::string& name, const std::string& claims, const std::string& more = "") {
    std::string volumes;
    for (const char c : claims)
      volumes += std::string("{name: ") + c + ", persistentVolumeClaim: {claimName: " + c + "}}, ";
    put(kPods, "{apiVersion: v1, kind: Pod, metadata: {namespace: default, name: " + name + ", uid: " + name +
                   "}, spec: {schedulerName: default-scheduler, volumes: [" + volumes +
                   "], containers: [{name: c, image: i}]" + more + "}, status: {phase: Pending}}");
    settle();
  }
  // What the binder does once a volume is reserved or made.
  void complete(const std::string& name, const std::string& volume) {
    auto json = server.find(kClaims, api::Key("default", name)).json();
    api::set(json, "spec.volumeName", api::text(volume));
    auto annotations = api::object(json, "metadata.annotations");
    annotations[kBindCompleted] = "yes";
    api::set(json, "metadata.annotations", annotations);
    api::set(json, "status.phase", "Bound");
    server.put(kClaims, json);
    settle();
  }
  std::string node_of(const std::string& name) {
    return std::string(api::str(server.find(kPods, api::Key("default", name)).json(), "spec.nodeName"));
  }
  std::string owner_of(const std::string& volume) {
    return std::string(api::str(server.find(kVolumes, api::Key("", volume)).json(), "spec.claimRef.name"));
  }
  std::string selected(const std::string& claim) {
    return std::string(server.find(kClaims, api::Key("default", claim)).annotation(kSelectedNode));
  }
  std::string waiting_for(const std::string& name) {
    const auto pod = server.find(kPods, api::Key("default", name));
    for (const auto& condition : api::list(pod.json(), "status.conditions"))
      if (api::str(condition, "type") == "PodScheduled") return std::string(api::str(condition, "message"));
    return {};
  }
};

}  // namespace

TEST_CASE("a pod goes where the free volume for its claim is, once the claim has it") {
  World world;
  world.volume("v", "two");
  world.claim("a", "late");
  world.pod("p", "a");
  CHECK(world.owner_of("v") == "a");
  CHECK(world.node_of("p").empty());
  world.complete("a", "v");
  CHECK(world.node_of("p") == "two");
}

TEST_CASE("a volume is promised to one claim only, and each claim of a pod gets its own on the same node") {
  World world;
  world.volume("v1", "one");
  world.volume("v2", "one", "2Gi");
  world.volume("w", "two");
  world.claim("a", "late");
  world.claim("b", "late");
  world.claim("c", "late");
  world.pod("both", "ab");
  CHECK((world.owner_of("v1") + world.owner_of("v2") == "ab" ||
         world.owner_of("v1") + world.owner_of("v2") == "ba"));
  CHECK(world.owner_of("w").empty());
  world.pod("other", "c");
  CHECK(world.owner_of("w") == "c");
  world.complete("c", "w");
  CHECK(world.node_of("other") == "two");
}

TEST_CASE("a claim without a volume and without a provisioner says so and waits for a volume") {
  World world;
  world.claim("a", "late");
  world.pod("p", "a");
  CHECK(world.waiting_for("p").find("2 node(s) didn't find available persistent volumes to bind") !=
        std::string::npos);
  world.volume("v", "one");
  world.settle(30s);
  CHECK(world.owner_of("v") == "a");
}

TEST_CASE("a provisioner is told the node, and a pod that shares the claim follows") {
  World world;
  world.claim("a", "made");
  world.pod("p", "a", ", nodeSelector: {kubernetes.io/hostname: two}");
  CHECK(world.selected("a") == "two");
  CHECK(world.node_of("p").empty());
  world.pod("q", "a");
  world.complete("a", "made-volume");
  world.put(kVolumes, "{apiVersion: v1, kind: PersistentVolume, metadata: {name: made-volume}, spec: {}}");
  world.settle(30s);
  CHECK(world.node_of("p") == "two");
  CHECK(world.node_of("q") == "two");
}

TEST_CASE("a provisioner that gives the node back has another one chosen") {
  World world;
  world.claim("a", "made");
  world.pod("p", "a", ", nodeSelector: {kubernetes.io/hostname: two}");
  REQUIRE(world.selected("a") == "two");
  const auto writes = world.server.count("update", kClaims);
  auto json = world.server.find(kClaims, api::Key("default", "a")).json();
  api::erase(json, "metadata.annotations");
  world.server.put(kClaims, json);
  world.settle(30s);
  CHECK(world.server.count("update", kClaims) > writes);
  CHECK(world.selected("a") == "two");
}

TEST_CASE("claims that bind at once, are missing, or are being deleted hold their pods back") {
  World world;
  world.pod("p", "x");
  CHECK(world.waiting_for("p").find("persistentvolumeclaim \"x\" not found") != std::string::npos);
  world.put(kClasses,
            "{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: now}, provisioner: "
            "p, volumeBindingMode: Immediate}");
  world.claim("x", "now");
  world.settle(30s);
  CHECK(world.waiting_for("p").find("pod has unbound immediate PersistentVolumeClaims") != std::string::npos);
  world.volume("v", "one");
  world.complete("x", "v");
  world.settle(30s);
  CHECK(world.node_of("p") == "one");
}

TEST_CASE("a bound volume of another node keeps the pod from this one") {
  World world;
  world.volume("v", "one");
  world.claim("a", "late");
  world.complete("a", "v");
  world.pod("p", "a", ", nodeSelector: {kubernetes.io/hostname: two}");
  CHECK(world.node_of("p").empty());
  CHECK(world.waiting_for("p").find("node(s) didn't match PersistentVolume's node affinity") !=
        std::string::npos);
}

TEST_CASE("a claim for one pod has one pod at a time") {
  World world;
  world.volume("v", "one");
  world.claim("a", "late", "ReadWriteOncePod");
  world.complete("a", "v");
  world.pod("p", "a");
  REQUIRE(world.node_of("p") == "one");
  world.pod("q", "a");
  CHECK(world.node_of("q").empty());
  CHECK(world.waiting_for("q").find("ReadWriteOncePod access mode") != std::string::npos);
  world.server.erase(kPods, api::Key("default", "p"));
  world.settle(30s);
  CHECK(world.node_of("q") == "one");
}
