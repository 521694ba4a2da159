#include "kit/test_world.h"
#include "mk/api/volume_matching.h"
#include "mk/client/attachment.h"

using namespace mk;
using namespace mk::controller;
using namespace mk::controller::testing;
using namespace mk::api::resources;
using namespace mk::api::volume;

namespace {

const api::Gvr kDrivers{"storage.k8s.io", "v1", "csidrivers"};
const api::Gvr kAttachments{"storage.k8s.io", "v1", "volumeattachments"};

void put_storage(World& world, const char* driver) {
  world.put(kDrivers, driver);
  world.put(
      kVolumes,
      "{apiVersion: v1, kind: PersistentVolume, metadata: {name: pv, uid: pvu}, spec: {claimRef: {namespace: "
      "default, name: c, uid: cu}, csi: {driver: d, volumeHandle: h}}, status: {phase: Bound}}");
  world.put(kClaims,
            "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: c, namespace: default, uid: cu, "
            "annotations: {pv.kubernetes.io/bind-completed: 'yes'}}, spec: {volumeName: pv}, status: {phase: "
            "Bound}}");
}
void put_pod(World& world, const std::string& name) {
  const std::string text = "{apiVersion: v1, kind: Pod, metadata: {name: " + name +
                           ", namespace: default, uid: " + name +
                           "}, spec: {nodeName: n1, volumes: [{name: v, persistentVolumeClaim: {claimName: "
                           "c}}]}, status: {phase: Running}}";
  world.put(kPods, text.c_str());
}
constexpr char kAttaches[] =
    "{apiVersion: storage.k8s.io/v1, kind: CSIDriver, metadata: {name: d}, spec: {}}";

}  // namespace

TEST_CASE("a volume is to be attached where pods use it, until the last of them is gone") {
  World world;
  put_storage(world, kAttaches);
  put_pod(world, "a");
  put_pod(world, "b");
  const auto name = client::attachment_name("h", "d", "n1");
  CHECK(name.size() == 4 + 64);
  const auto made = world.server.find(kAttachments, api::Key("", name));
  REQUIRE(made);
  CHECK(api::str(made.json(), "spec.attacher") == "d");
  CHECK(api::str(made.json(), "spec.nodeName") == "n1");
  CHECK(api::str(made.json(), "spec.source.persistentVolumeName") == "pv");
  world.server.erase(kPods, api::Key("default", "a"));
  world.settle();
  CHECK(world.server.find(kAttachments, api::Key("", name)));
  world.server.erase(kPods, api::Key("default", "b"));
  world.settle();
  CHECK_FALSE(world.server.find(kAttachments, api::Key("", name)));
}

TEST_CASE("an attachment that somebody else has made stays") {
  World world;
  put_storage(world, kAttaches);
  world.put(
      kAttachments,
      "{apiVersion: storage.k8s.io/v1, kind: VolumeAttachment, metadata: {name: theirs}, spec: {attacher: d, "
      "nodeName: n1, source: {persistentVolumeName: pv}}}");
  put_pod(world, "a");
  world.server.erase(kPods, api::Key("default", "a"));
  world.settle();
  REQUIRE(world.server.all(kAttachments).size() == 1);
  CHECK(world.server.all(kAttachments).front().name() == "theirs");
}

TEST_CASE("a driver that needs no attaching gets none") {
  World world;
  put_storage(
      world,
      "{apiVersion: storage.k8s.io/v1, kind: CSIDriver, metadata: {name: d}, spec: {attachRequired: false}}");
  put_pod(world, "a");
  CHECK(world.server.all(kAttachments).empty());
}
