#include "kit/test_world.h"
#include "localpath/plan.h"
#include "mk/api/volume_matching.h"

using namespace mk;
using namespace mk::controller;
using namespace mk::controller::testing;
using namespace mk::api::resources;
using namespace mk::api::volume;
using namespace std::chrono_literals;

namespace {

constexpr char kClaim[] =
    "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data, namespace: default, uid: u1}, "
    "spec: "
    "{storageClassName: local-path, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}, "
    "status: {phase: Pending}}";
constexpr char kNode[] =
    "{apiVersion: v1, kind: Node, metadata: {name: n1, labels: {kubernetes.io/hostname: host1}, annotations: "
    "{mk.io/local-path-folder: /data/storage}}, status: {conditions: [{type: Ready, status: 'True'}]}}";

api::Object object(const std::string& text) {
  return api::Object(api::parse_yaml(text).value());
}
api::Object volume(World& world) {
  return world.server.find(kVolumes, api::Key("", "pvc-u1"));
}
api::Object claim(World& world) {
  return world.server.find(kClaims, api::Key("default", "data"));
}
void select(World& world, const char* node) {
  auto json = claim(world).json();
  auto annotations = api::object(json, "metadata.annotations");
  annotations[kSelectedNode] = node;
  api::set(json, "metadata.annotations", annotations);
  world.server.put(kClaims, json);
  world.settle();
}
void remove(World& world, const api::Gvr& gvr, api::Key key) {
  const auto go = [](client::Client& client, api::Gvr gvr, api::Key key) -> rt::Task<> {
    auto done = co_await client.remove(gvr, key, client::DeleteOptions());
    CHECK(done.ok());
  };
  world.group.spawn("remove", go(world.server, gvr, std::move(key)));
  world.settle(5s);
}

}  // namespace

TEST_CASE("a local volume is planned on the node, and what no directory can be is refused") {
  const auto node = object(kNode);
  const api::Object storage_class(localpath::storage_class());
  const auto plan = localpath::plan_volume(object(kClaim), storage_class, node);
  REQUIRE(plan.ok());
  CHECK(api::str(*plan, "metadata.name") == "pvc-u1");
  CHECK(api::str(*plan, "spec.hostPath.path") == "/data/storage/pvc-u1_default_data");
  CHECK(api::str(*plan, "spec.capacity.storage") == "1Gi");
  CHECK(api::str(*plan, "spec.persistentVolumeReclaimPolicy") == "Delete");
  CHECK(api::to_json(*api::find(*plan, "spec.nodeAffinity")).find("host1") != std::string::npos);
  const auto refusal = [&](const char* path, api::Json value) {
    auto json = object(kClaim).json();
    api::set(json, path, std::move(value));
    return localpath::plan_volume(api::Object(json), storage_class, node);
  };
  CHECK_FALSE(refusal("spec.accessModes", api::JsonArray{"ReadWriteMany"}).ok());
  CHECK_FALSE(refusal("spec.volumeMode", "Block").ok());
  CHECK_FALSE(refusal("spec.selector", api::JsonObject{}).ok());
  const auto nowhere =
      localpath::plan_volume(object(kClaim), storage_class, object("{metadata: {name: n2}}"));
  REQUIRE_FALSE(nowhere.ok());
  CHECK(nowhere.error().is(Reason::kServiceUnavailable));
}

TEST_CASE("the default class is there, stays as its user made it, and goes when it is disabled") {
  {
    World world;
    const auto made = world.server.find(kClasses, api::Key("", "local-path"));
    REQUIRE(made);
    CHECK(is_default_class(made));
    CHECK(api::str(made.json(), "volumeBindingMode") == "WaitForFirstConsumer");
  }
  controller::ManagerOptions off;
  off.local_storage = false;
  World world(off);
  CHECK_FALSE(world.server.find(kClasses, api::Key("", "local-path")));
}

TEST_CASE("a claim gets its local volume when a node is selected, and the volume leaves after it") {
  World world;
  world.put(kNodes, kNode);
  world.put(kClaims, kClaim);
  CHECK_FALSE(volume(world));
  select(world, "n1");
  world.settle(5s);
  REQUIRE(volume(world));
  CHECK(api::str(claim(world).json(), "status.phase") == "Bound");
  CHECK(api::str(claim(world).json(), "spec.volumeName") == "pvc-u1");
  remove(world, kClaims, api::Key("default", "data"));
  REQUIRE_FALSE(claim(world));
  // Deleted, and held until the node's kubelet has removed the directory.
  REQUIRE(volume(world));
  CHECK(volume(world).deleting());
  const auto& held = api::list(volume(world).json(), "metadata.finalizers");
  REQUIRE(held.size() == 1);
  CHECK(held.front() == "mk.io/local-path");
}

TEST_CASE("the volume of a node that has left the cluster is let go") {
  World world;
  world.put(kNodes, kNode);
  world.put(kClaims, kClaim);
  select(world, "n1");
  remove(world, kClaims, api::Key("default", "data"));
  REQUIRE(volume(world));
  remove(world, kNodes, api::Key("", "n1"));
  CHECK_FALSE(volume(world));
}

TEST_CASE("a node that is not there, or has no folder, is given back to the scheduler") {
  World world;
  world.put(kClaims, kClaim);
  select(world, "gone");
  CHECK_FALSE(volume(world));
  CHECK(claim(world).annotation(kSelectedNode).empty());
  const auto reasons = world.event_reasons();
  CHECK(std::find(reasons.begin(), reasons.end(), "ProvisioningFailed") != reasons.end());
}

TEST_CASE("a pod's ephemeral volume gets a claim that the pod owns") {
  World world;
  world.put(
      kPods,
      "{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: default, uid: pu}, spec: {volumes: "
      "[{name: scratch, ephemeral: {volumeClaimTemplate: {metadata: {labels: {a: b}}, spec: {accessModes: "
      "[ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}}}]}, status: {phase: Pending}}");
  world.settle();
  const auto made = world.server.find(kClaims, api::Key("default", "p-scratch"));
  REQUIRE(made);
  CHECK(controlled_by(made, "pu"));
  CHECK(made.label("a") == "b");
  CHECK(api::str(made.json(), "spec.resources.requests.storage") == "1Gi");
}
