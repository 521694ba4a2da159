#include "kit/revisions.h"
#include "kit/test_world.h"
#include "statefulset/identity.h"
#include "statefulset/plan.h"

using namespace mk;
using namespace mk::controller;
using namespace mk::controller::testing;
using namespace mk::api::resources;
using namespace std::chrono_literals;
using statefulset::View;

namespace {

const rt::WallTime kNow = *rt::parse_time("2026-01-01T12:00:00Z");
const api::Gvr kClaims{"", "v1", "persistentvolumeclaims"};
const api::Key kKey("default", "web");

std::string manifest(const std::string& spec) {
  return R"({apiVersion: apps/v1, kind: StatefulSet, metadata: {name: web, namespace: default, uid: s-1, generation: 1},
    spec: {serviceName: svc, selector: {matchLabels: {app: web}}, revisionHistoryLimit: 10,
    template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, image: "nginx:1"}]}}, )" +
         spec + "}}";
}

api::Object set(const std::string& spec) {
  auto json = api::parse_yaml(manifest(spec));
  REQUIRE(json.ok());
  return api::Object(*json);
}

// "0 ready new", "1 pending old", "2 going ready old" ...
std::vector<api::Object> pods_of(const std::vector<std::string>& words) {
  std::vector<api::Object> pods;
  for (const auto& text : words) {
    const auto has = [&text](const char* word) { return text.find(word) != std::string::npos; };
    api::Json json;
    api::set(json, "metadata.name", api::text("web-" + text.substr(0, text.find(' '))));
    api::set(json, "metadata.labels", api::JsonObject{{statefulset::kRevision, has("new") ? "new" : "old"}});
    if (has("going")) api::set(json, "metadata.deletionTimestamp", "2026-01-01T12:00:30Z");
    api::set(json, "status.phase", has("failed") ? "Failed" : has("pending") ? "Pending" : "Running");
    if (has("ready")) {
      set_condition(json, Condition("Ready", "True", "", ""), has("just") ? kNow - 1s : kNow - 1h);
    }
    pods.emplace_back(json);
  }
  return pods;
}

std::string plan(const std::string& spec, const std::vector<std::string>& pods) {
  const auto todo = statefulset::plan(View(set(spec), pods_of(pods), "old", "new", kNow));
  std::string text;
  for (const auto ordinal : todo.create) text += " +" + std::to_string(ordinal);
  for (const auto& pod : todo.remove) text += " -" + std::string(pod.name().substr(4));
  return text;
}

const char* const kParallel = "podManagementPolicy: Parallel, ";

}  // namespace

TEST_CASE("pods of a StatefulSet come one after the other, each when those before are healthy") {
  CHECK(plan("replicas: 3", {}) == " +0");
  CHECK(plan("replicas: 3", {"0 pending new"}) == "");
  CHECK(plan("replicas: 3", {"0 running new"}) == "");
  CHECK(plan("replicas: 3", {"0 ready new"}) == " +1");
  CHECK(plan("replicas: 3, minReadySeconds: 10", {"0 ready just new"}) == "");
  CHECK(plan("replicas: 2", {"0 going ready new", "1 ready new"}) == "");
  CHECK(plan("replicas: 2", {"0 failed new", "1 ready new"}) == " -0");
  CHECK(plan("replicas: 2, ordinals: {start: 5}", {"5 ready new"}) == " +6");
  CHECK(plan(std::string(kParallel) + "replicas: 3", {"1 pending new"}) == " +0 +2");
}

TEST_CASE("scaling down goes from the top, and halts at what is not healthy") {
  CHECK(plan("replicas: 1", {"0 ready new", "1 ready new", "2 ready new"}) == " -2");
  CHECK(plan("replicas: 1", {"0 ready new", "1 ready new", "2 going ready new"}) == "");
  CHECK(plan("replicas: 1", {"0 running new", "1 ready new"}) == "");
  CHECK(plan("replicas: 0", {"0 running new", "1 running new", "2 running new"}) == "");
  CHECK(plan("replicas: 1", {"0 ready new", "1 ready new", "2 running new"}) == " -2");
  CHECK(plan(std::string(kParallel) + "replicas: 0", {"0 running new", "1 ready new"}) == " -1 -0");
}

TEST_CASE("a rolling update goes from the top down to the partition") {
  CHECK(plan("replicas: 3", {"0 ready old", "1 ready old", "2 ready old"}) == " -2");
  CHECK(plan("replicas: 3", {"0 ready old", "1 ready old", "2 ready new"}) == " -1");
  CHECK(plan("replicas: 3", {"0 ready old", "1 ready old", "2 pending new"}) == "");
  const std::string canary =
      "replicas: 3, updateStrategy: {type: RollingUpdate, rollingUpdate: {partition: 2}}";
  CHECK(plan(canary, {"0 ready old", "1 ready old", "2 ready old"}) == " -2");
  CHECK(plan(canary, {"0 ready old", "1 ready old", "2 ready new"}) == "");
  CHECK(plan("replicas: 1, updateStrategy: {type: OnDelete}", {"0 ready old"}) == "");
  const std::string two =
      "replicas: 4, updateStrategy: {type: RollingUpdate, rollingUpdate: {maxUnavailable: 2}}";
  CHECK(plan(two, {"0 ready old", "1 ready old", "2 ready old", "3 ready old"}) == " -3 -2");
  CHECK(plan(kParallel + two, {"0 ready old", "1 ready old", "2 ready old", "3 pending new"}) == " -2");
  // What is down already costs nothing.
  CHECK(plan(kParallel + two, {"0 running old", "1 ready old", "2 ready old", "3 pending new"}) == " -0");

  const View view(set(canary), {}, "old", "new", kNow);
  CHECK(view.revision_for(1) == "old");
  CHECK(view.revision_for(2) == "new");
}

TEST_CASE("a StatefulSet's status counts by revision, and ends a complete update") {
  auto view = View(set("replicas: 2"), pods_of({"0 ready old", "1 running new"}), "old", "new", kNow);
  auto status = statefulset::status_of(set("replicas: 2"), view);
  CHECK(api::to_json(status) ==
        R"({"observedGeneration":1,"replicas":2,"readyReplicas":1,"currentReplicas":1,"updatedReplicas":1,)"
        R"("availableReplicas":1,"currentRevision":"old","updateRevision":"new"})");
  view = View(set("replicas: 2"), pods_of({"0 ready new", "1 ready new"}), "old", "new", kNow);
  status = statefulset::status_of(set("replicas: 2"), view);
  CHECK(api::str(status, "currentRevision") == "new");
  CHECK(api::num(status, "currentReplicas") == 2);
}

TEST_CASE("a pod of a StatefulSet has name, labels, host name and claims of its own") {
  const auto object =
      set("volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce]}}]");
  const api::Object pod(
      statefulset::make_pod(object, *api::find(object.json(), "spec.template"), 3, "web-abc"));
  CHECK(pod.name() == "web-3");
  CHECK(pod.label(statefulset::kPodName) == "web-3");
  CHECK(pod.label(statefulset::kPodIndex) == "3");
  CHECK(pod.label(statefulset::kRevision) == "web-abc");
  CHECK(api::str(pod.json(), "spec.hostname") == "web-3");
  CHECK(api::str(pod.json(), "spec.subdomain") == "svc");
  CHECK(api::to_json(api::list(pod.json(), "spec.volumes")) ==
        R"([{"name":"data","persistentVolumeClaim":{"claimName":"data-web-3"}}])");
  const auto claims = statefulset::make_claims(object, 3);
  REQUIRE(claims.size() == 1);
  CHECK(api::str(claims[0], "metadata.name") == "data-web-3");
  CHECK(api::str(claims[0], "metadata.labels.app") == "web");

  CHECK(statefulset::ordinal_of(object, pod) == 3);
  for (const char* other : {"web-03", "web-x", "webs-3", "web"}) {
    const auto stranger =
        pod.with([other](api::Json& json) { api::set(json, "metadata.name", api::text(other)); });
    CHECK(!statefulset::ordinal_of(object, stranger));
  }
}

TEST_CASE("the retention policy decides who owns a claim") {
  const api::Object claim(*api::parse_yaml("{metadata: {name: data-web-1}}"));
  const api::Object pod(*api::parse_yaml("{metadata: {name: web-1, uid: p-1}}"));
  const auto owner = [&](const char* deleted, const char* scaled, bool condemned, const api::Object& of) {
    const auto object = set(std::string("persistentVolumeClaimRetentionPolicy: {whenDeleted: ") + deleted +
                            ", whenScaled: " + scaled + "}");
    const auto changed = statefulset::with_retention(object, pod, condemned, of);
    if (!changed) return std::string("right");
    const auto& owners = api::list(*changed, "metadata.ownerReferences");
    return owners.empty() ? std::string("nobody") : std::string(api::str(owners[0], "kind"));
  };
  CHECK(owner("Retain", "Retain", true, claim) == "right");
  CHECK(owner("Delete", "Retain", true, claim) == "StatefulSet");
  CHECK(owner("Retain", "Delete", false, claim) == "right");
  CHECK(owner("Retain", "Delete", true, claim) == "Pod");
  CHECK(owner("Delete", "Delete", true, claim) == "Pod");
  CHECK(owner("Delete", "Delete", false, claim) == "StatefulSet");
  const auto left = claim.with([](api::Json& json) {
    api::set(json, "metadata.ownerReferences",
             api::JsonArray{api::JsonObject{{"kind", "Pod"}, {"name", "web-1"}, {"uid", "earlier"}}});
  });
  CHECK(owner("Retain", "Delete", false, left) == "nobody");
}

TEST_CASE("a StatefulSet comes up in order with its claims, and rolls out and back") {
  World world;
  world.put(kStatefulSets,
            manifest("replicas: 2, volumeClaimTemplates: [{metadata: {name: data}, spec: {}}]").c_str());
  REQUIRE(world.pods() == 1);
  CHECK(world.server.find(kPods, api::Key("default", "web-0")));
  CHECK(world.server.find(kClaims, api::Key("default", "data-web-0")));
  world.make_all_ready();
  CHECK(world.pods() == 2);
  world.make_all_ready();
  auto live = world.server.find(kStatefulSets, kKey);
  const std::string first(api::str(live.json(), "status.currentRevision"));
  CHECK(api::num(live.json(), "status.readyReplicas") == 2);
  CHECK(first == api::str(live.json(), "status.updateRevision"));
  CHECK(world.server.find(kPods, api::Key("default", "web-1")).label(statefulset::kRevision) == first);

  const auto use_image = [&world](const char* image) {
    edit(world, kStatefulSets, "web", [image](api::Json& json) {
      api::JsonObject container;
      container["name"] = "c";
      container["image"] = image;
      api::set(json, "spec.template.spec.containers", api::JsonArray{container});
    });
    world.roll();
  };
  use_image("nginx:2");
  live = world.server.find(kStatefulSets, kKey);
  CHECK(api::str(live.json(), "status.currentRevision") != first);
  CHECK(api::num(live.json(), "status.updatedReplicas") == 2);
  CHECK(world.server.all(kControllerRevisions).size() == 2);
  // Back: the old revision serves again, as the newest.
  use_image("nginx:1");
  live = world.server.find(kStatefulSets, kKey);
  CHECK(api::str(live.json(), "status.currentRevision") == first);
  CHECK(world.server.all(kControllerRevisions).size() == 2);
  CHECK(revision_number(world.server.find(kControllerRevisions, api::Key("default", first))) == 3);
}

TEST_CASE("a StatefulSet replaces pods that failed or were deleted, under the same name") {
  World world;
  world.put(kStatefulSets, manifest("replicas: 1").c_str());
  world.make_all_ready();
  const auto pod = world.server.all(kPods).at(0);
  auto failed = pod.json();
  api::set(failed, "status.phase", "Failed");
  world.server.put(kPods, failed);
  world.settle();
  REQUIRE(world.pods() == 1);
  CHECK(world.server.all(kPods)[0].name() == "web-0");
  CHECK(world.server.all(kPods)[0].uid() != pod.uid());
}

TEST_CASE("a StatefulSet keeps as many old revisions as it is told") {
  World world;
  world.put(kStatefulSets, manifest("replicas: 1").c_str());
  edit(world, kStatefulSets, "web", [](api::Json& json) { api::set(json, "spec.revisionHistoryLimit", 1); });
  for (int i = 0; i < 4; ++i) {
    edit(world, kStatefulSets, "web", [i](api::Json& json) {
      api::set(json, "spec.template.metadata.annotations.v", api::text(std::to_string(i)));
    });
    world.roll();
  }
  CHECK(world.server.all(kControllerRevisions).size() == 2);
}
