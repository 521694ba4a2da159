#include "kit/test_world.h"
#include "mk/api/volume_matching.h"
#include "volume/protection.h"

using namespace mk;
using namespace mk::controller;
using namespace mk::controller::testing;
using namespace mk::api::resources;
using namespace mk::api::volume;
using namespace std::chrono_literals;

namespace {

api::Json yaml(const std::string& text) {
  return api::parse_yaml(text).value();
}

std::string volume_text(const std::string& name, const std::string& size, const std::string& more = "") {
  return "{apiVersion: v1, kind: PersistentVolume, metadata: {name: " + name + ", uid: pv-" + name +
         ", finalizers: [kubernetes.io/pv-protection]}, spec: {capacity: {storage: " + size +
         "}, accessModes: [ReadWriteOnce, ReadOnlyMany], hostPath: {path: /x}" + more +
         "}, status: {phase: Pending}}";
}

std::string claim_text(const std::string& name, const std::string& more = "") {
  return "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: " + name +
         ", namespace: default, uid: pvc-" + name +
         ", finalizers: [kubernetes.io/pvc-protection]}, spec: {accessModes: [ReadWriteOnce], resources: "
         "{requests: {storage: 1Gi}}" +
         more + "}, status: {phase: Pending}}";
}

controller::ManagerOptions without_default_class() {
  controller::ManagerOptions options;
  options.local_storage = false;
  return options;
}

void put(World& world, const api::Gvr& gvr, const std::string& text) {
  world.server.put(gvr, yaml(text));
  world.settle();
}

api::Object live_volume(World& world, const char* name) {
  return world.server.find(kVolumes, api::Key("", name));
}
api::Object live_claim(World& world, const char* name) {
  return world.server.find(kClaims, api::Key("default", name));
}
std::string phase(const api::Object& object) {
  return object ? std::string(api::str(object.json(), "status.phase")) : "gone";
}

void remove(World& world, const api::Gvr& gvr, api::Key key) {
  const auto go = [](client::Client& client, api::Gvr gvr, api::Key key) -> rt::Task<> {
    auto done = co_await client.remove(gvr, key, client::DeleteOptions());
    CHECK(done.ok());
  };
  world.group.spawn("remove", go(world.server, gvr, std::move(key)));
  world.settle();
}

}  // namespace

TEST_CASE("the smallest volume that fits is chosen, a reserved one before all") {
  const auto object = [](const std::string& text) { return api::Object(yaml(text)); };
  const auto available = [&](const std::string& text) {
    auto json = yaml(text);
    api::set(json, "status.phase", "Available");
    return api::Object(json);
  };
  const auto wanted = object(claim_text("c"));
  const std::vector<api::Object> volumes{available(volume_text("big", "5Gi")),
                                         available(volume_text("small", "500Mi")),
                                         available(volume_text("fits", "2Gi")),
                                         available(volume_text("gold", "1Gi", ", storageClassName: gold"))};
  CHECK(api::volume::choose(wanted, volumes, false).name() == "fits");
  CHECK_FALSE(api::volume::choose(wanted, volumes, true));
  auto more = volumes;
  more.push_back(object(volume_text("mine", "9Gi", ", claimRef: {namespace: default, name: c}")));
  CHECK(api::volume::choose(wanted, more, true).name() == "mine");
  CHECK(api::volume::choose(object(claim_text("d")), more, false).name() == "fits");
  CHECK_FALSE(
      api::volume::choose(object(claim_text("d", ", selector: {matchLabels: {a: b}}")), volumes, false));
  CHECK_FALSE(api::volume::choose(object(claim_text("d", ", volumeMode: Block")), volumes, false));
  CHECK(api::volume::mismatch(object(claim_text("e", ", storageClassName: gold")), volumes[2]) ==
        "storageClassName does not match");
}

TEST_CASE("a claim binds to a volume, and the volume is released with it") {
  World world(without_default_class());
  put(world, kVolumes, volume_text("v", "2Gi"));
  CHECK(phase(live_volume(world, "v")) == "Available");
  put(world, kClaims, claim_text("c"));
  CHECK(phase(live_volume(world, "v")) == "Bound");
  CHECK(phase(live_claim(world, "c")) == "Bound");
  CHECK(api::str(live_claim(world, "c").json(), "spec.volumeName") == "v");
  CHECK(api::str(live_claim(world, "c").json(), "status.capacity.storage") == "2Gi");
  CHECK(live_claim(world, "c").annotation("pv.kubernetes.io/bind-completed") == "yes");
  CHECK(api::str(live_volume(world, "v").json(), "spec.claimRef.uid") == "pvc-c");
  CHECK(live_volume(world, "v").annotation("pv.kubernetes.io/bound-by-controller") == "yes");
  // The volume is held while it is bound.
  remove(world, kVolumes, api::Key("", "v"));
  CHECK(live_volume(world, "v").deleting());
  remove(world, kClaims, api::Key("default", "c"));
  CHECK_FALSE(live_claim(world, "c"));
  CHECK_FALSE(live_volume(world, "v"));
}

TEST_CASE("retained volumes wait, and those that nobody can delete fail") {
  World world(without_default_class());
  put(world, kVolumes, volume_text("kept", "2Gi", ", persistentVolumeReclaimPolicy: Retain"));
  put(world, kClaims, claim_text("a"));
  remove(world, kClaims, api::Key("default", "a"));
  CHECK(phase(live_volume(world, "kept")) == "Released");
  // Released is not free.
  put(world, kClaims, claim_text("b"));
  CHECK(phase(live_claim(world, "b")) == "Pending");
  put(world, kVolumes, volume_text("short", "2Gi", ", persistentVolumeReclaimPolicy: Delete"));
  CHECK(phase(live_claim(world, "b")) == "Bound");
  remove(world, kClaims, api::Key("default", "b"));
  CHECK(phase(live_volume(world, "short")) == "Failed");
  CHECK(api::str(live_volume(world, "short").json(), "status.message") ==
        "error getting deleter volume plugin for volume \"short\": no volume plugin matched");
}

TEST_CASE("volumes and claims that name each other, and others that come in between") {
  World world(without_default_class());
  put(world, kVolumes, volume_text("v", "2Gi", ", claimRef: {namespace: default, name: mine}"));
  CHECK(phase(live_volume(world, "v")) == "Available");
  put(world, kClaims, claim_text("other", ", volumeName: v"));
  CHECK(phase(live_claim(world, "other")) == "Pending");
  put(world, kClaims, claim_text("mine"));
  CHECK(phase(live_claim(world, "mine")) == "Bound");
  CHECK(live_volume(world, "v").annotation("pv.kubernetes.io/bound-by-controller").empty());
  // A phase that somebody else reports on is left alone.
  auto noted = live_volume(world, "v").json();
  api::set(noted, "status.message", "seen");
  world.server.put(kVolumes, noted);
  world.settle();
  CHECK(api::str(live_volume(world, "v").json(), "status.message") == "seen");
  world.server.erase(kVolumes, api::Key("", "v"));
  world.settle();
  put(world, kClaims,
      api::to_json(live_claim(world, "mine")
                       .with([](api::Json& json) {
                         api::set(json, "metadata.labels", api::JsonObject{{"touched", "yes"}});
                       })
                       .json()));
  CHECK(phase(live_claim(world, "mine")) == "Lost");
}

TEST_CASE("a class that waits for the first consumer, and one that needs a provisioner") {
  World world(without_default_class());
  put(world, kClasses,
      "{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: late}, provisioner: a/b, "
      "volumeBindingMode: WaitForFirstConsumer}");
  put(world, kVolumes, volume_text("v", "2Gi", ", storageClassName: late"));
  put(world, kClaims, claim_text("c", ", storageClassName: late"));
  CHECK(phase(live_claim(world, "c")) == "Pending");
  CHECK(live_claim(world, "c").annotation("volume.kubernetes.io/storage-provisioner").empty());
  // What the scheduler does once it has a pod.
  auto reserved = live_volume(world, "v").json();
  api::set(reserved, "spec.claimRef", yaml("{namespace: default, name: c, uid: pvc-c}"));
  world.server.put(kVolumes, reserved);
  world.settle();
  CHECK(phase(live_claim(world, "c")) == "Bound");
  put(world, kClasses,
      "{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: now}, provisioner: a/b, "
      "volumeBindingMode: Immediate}");
  put(world, kClaims, claim_text("d", ", storageClassName: now"));
  CHECK(live_claim(world, "d").annotation("volume.kubernetes.io/storage-provisioner") == "a/b");
  put(world, kVolumes, volume_text("made", "1Gi", ", storageClassName: now"));
  CHECK(phase(live_claim(world, "d")) == "Bound");
}

TEST_CASE("a claim of no class takes the default one when it comes, a claim of class \"\" does not") {
  World world(without_default_class());
  put(world, kClaims, claim_text("open"));
  put(world, kClaims, claim_text("none", ", storageClassName: ''"));
  put(world, kClasses,
      "{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: usual, annotations: "
      "{storageclass.kubernetes.io/is-default-class: 'true'}}, provisioner: a/b, volumeBindingMode: "
      "Immediate}");
  CHECK(api::str(live_claim(world, "open").json(), "spec.storageClassName") == "usual");
  CHECK(api::str(live_claim(world, "none").json(), "spec.storageClassName").empty());
}

TEST_CASE("a claim stays while a scheduled pod uses it") {
  World world(without_default_class());
  put(world, kClaims, claim_text("c"));
  put(world, kPods,
      "{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: default, uid: p}, spec: {nodeName: n, "
      "volumes: [{name: x, persistentVolumeClaim: {claimName: c}}]}, status: {phase: Running}}");
  remove(world, kClaims, api::Key("default", "c"));
  CHECK(live_claim(world, "c").deleting());
  world.server.erase(kPods, api::Key("default", "p"));
  world.settle();
  CHECK_FALSE(live_claim(world, "c"));
}
