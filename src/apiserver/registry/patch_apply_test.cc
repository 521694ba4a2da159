#include "registry/subresources.h"
#include "registry/test_api.h"

using namespace mk;
using namespace mk::apiserver;
using namespace mk::apiserver::testing;
using api::Json;
using api::Object;
using client::PatchType;

namespace {

const char* const kMap = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {x: '1', y: '2'}}";

const char* const kPod = R"(
apiVersion: v1
kind: Pod
metadata: {name: p}
spec: {containers: [{name: main, image: a}, {name: side, image: b}], nodeName: n1, terminationGracePeriodSeconds: 30}
)";

std::vector<std::string> managers(const Object& object) {
  std::vector<std::string> out;
  for (const auto& entry : api::list(object.json(), "metadata.managedFields"))
    out.push_back(std::string(api::str(entry, "manager")) + "/" + std::string(api::str(entry, "operation")));
  return out;
}

}  // namespace

TEST_CASE("JSON, merge and strategic merge patches") {
  TestApi api;
  const Object map = api.create(kMap);
  CHECK(api::str(api.patch(PatchType::kJson, map, "[{op: replace, path: /data/x, value: '9'}]").json(),
                 "data.x") == "9");
  CHECK(api::find(api.patch(PatchType::kMerge, map, "{data: {y: null}}").json(), "data.y") == nullptr);
  CHECK(!api.try_patch(PatchType::kJson, map, "[{op: test, path: /data/x, value: other}]").ok());
  const Object pod = api.create(kPod);
  const Object patched =
      api.patch(PatchType::kStrategicMerge, pod, "{spec: {containers: [{name: side, image: c}]}}");
  REQUIRE(api::list(patched.json(), "spec.containers").size() == 2);
  CHECK(api::str(api::list(patched.json(), "spec.containers")[1], "image") == "c");
}

TEST_CASE("patches: what they may say about name, uid and revision") {
  TestApi api;
  const Object map = api.create(kMap);
  const auto renamed = api.try_patch(PatchType::kMerge, map, "{metadata: {name: b}}");
  REQUIRE(!renamed.ok());
  CHECK(renamed.error().message() == "the name of the object (b) does not match the name on the URL (a)");
  CHECK(api.try_patch(PatchType::kMerge, map, "{metadata: {resourceVersion: '1'}, data: {x: z}}")
            .error()
            .is(Reason::kConflict));
  CHECK(api.try_patch(PatchType::kMerge, map, "{metadata: {uid: other}}").error().is(Reason::kConflict));
  CHECK(api.try_patch(PatchType::kMerge, map, "{metadata: {resourceVersion: null}, data: {x: z}}").ok());
  const Object absent(TestApi::yaml("{apiVersion: v1, kind: ConfigMap, metadata: {name: no}}"));
  CHECK(api.try_patch(PatchType::kMerge, absent, "{}").error().is(Reason::kNotFound));
  const auto revision = api.store().revision();
  CHECK(api.try_patch(PatchType::kMerge, map, "{data: {x: z}}").ok());
  CHECK(api.store().revision() == revision);
}

TEST_CASE("patches and changes are computed anew when somebody else was faster") {
  TestApi api;
  const Object map = api.create(kMap);
  constexpr int kWriters = 8;
  std::vector<WriteContext> contexts(kWriters, api.context(map.json()));
  int good = 0;
  auto all = [&]() -> rt::Task<Result<void>> {
    rt::Group group(co_await rt::this_executor());
    auto write = [&](int i) -> rt::Task<> {
      Json patch = TestApi::yaml("{data: {w" + std::to_string(i) + ": v}}");
      auto written = co_await api.registry().patch(contexts[i], PatchType::kMerge, std::move(patch));
      if (written.ok()) ++good;
    };
    for (int i = 0; i < kWriters; ++i) group.spawn("writer", write(i));
    while (group.size() > 0) co_await rt::yield();
    co_return ok();
  };
  REQUIRE(api.run(all()).ok());
  CHECK(good == kWriters);
  CHECK(api::object(api.get(map).json(), "data").size() == 2 + kWriters);
}

TEST_CASE("server-side apply: create, own, conflict, force, remove") {
  TestApi api;
  api.manager = "alice";
  auto made = api.try_apply(kMap);
  REQUIRE(made.ok());
  CHECK(made->created);
  CHECK(managers(made->object) == std::vector<std::string>{"alice/Apply"});
  const auto revision = api.store().revision();
  auto again = api.try_apply(kMap);
  REQUIRE(again.ok());
  CHECK(!again->created);
  CHECK(api.store().revision() == revision);

  api.manager = "bob";
  const std::string other = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {x: other}}";
  const auto refused = api.try_apply(other);
  REQUIRE(!refused.ok());
  CHECK(refused.error().is(Reason::kConflict));
  REQUIRE(refused.error().causes.size() == 1);
  CHECK(refused.error().causes[0].type == "FieldManagerConflict");
  CHECK(refused.error().causes[0].field == ".data.x");
  const auto forced = api.try_apply(other, true);
  REQUIRE(forced.ok());
  CHECK(api::str(forced->object.json(), "data.x") == "other");
  CHECK(managers(forced->object).size() == 2);

  // What alice owns alone and leaves out goes; what bob took over stays.
  api.manager = "alice";
  const auto less = api.try_apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}");
  REQUIRE(less.ok());
  CHECK(api::find(less->object.json(), "data.y") == nullptr);
  CHECK(api::str(less->object.json(), "data.x") == "other");
}

TEST_CASE("server-side apply: requests it refuses") {
  TestApi api;
  CHECK(!api.try_apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, nonsense: 1}").ok());
  CHECK(
      !api.try_apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: a, managedFields: [{manager: x}]}}")
           .ok());
  const Object map = api.create(kMap);
  CHECK(api.try_apply(
               "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, resourceVersion: '1'}, data: {z: '1'}}")
            .error()
            .is(Reason::kConflict));
}

TEST_CASE("ownership follows ordinary writes, and status writes have their own") {
  TestApi api;
  api.manager = "maker";
  const Object pod = api.create(kPod);
  CHECK(managers(pod) == std::vector<std::string>{"maker/Update"});
  api.manager = "kubelet";
  const Object status = api.patch(PatchType::kMerge, pod, "{status: {phase: Running}}", "status");
  REQUIRE(managers(status).size() == 2);
  const Json& entry = api::list(status.json(), "metadata.managedFields")[0];  // of the same second: by name
  CHECK(api::str(entry, "manager") == "kubelet");
  CHECK(api::str(entry, "subresource") == "status");
}

TEST_CASE("scale: reads, writes and patches of the replicas alone") {
  TestApi api;
  const Object set = api.create(R"(
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: rs}
spec: {replicas: 2, selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}}
)");
  auto call = api.context(set.json(), "scale");
  Json scale = scale_of(*call.resource, set).value();
  CHECK(api::str(scale, "status.selector") == "a=b");
  CHECK(api::str(scale, "metadata.uid") == set.uid());
  api::set(scale, "spec.replicas", 5);
  const auto scaled = api.run(update_scale(api.registry(), call, scale));
  REQUIRE(scaled.ok());
  CHECK(api::num(scaled->json(), "spec.replicas") == 5);
  CHECK(api.get(set).generation() == 2);
  CHECK(api.run(update_scale(api.registry(), call, scale)).error().is(Reason::kConflict));
  api::set(scale, "spec.replicas", -1);
  CHECK(api.run(update_scale(api.registry(), call, scale)).error().is(Reason::kInvalid));
  const auto patched =
      api.run(patch_scale(api.registry(), call, PatchType::kMerge, TestApi::yaml("{spec: {replicas: 0}}")));
  REQUIRE(patched.ok());
  CHECK(api::num(api.get(set).json(), "spec.replicas") == 0);
}

TEST_CASE("the binding subresource gives a pod its node, once") {
  TestApi api;
  const Object pod = api.create(
      "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: c, image: i}]}}");
  const Json binding =
      TestApi::yaml("{apiVersion: v1, kind: Binding, metadata: {name: p}, target: {kind: Node, name: n7}}");
  auto call = api.context(pod.json());
  const auto bound = api.run(bind_pod(api.registry(), call, binding));
  REQUIRE(bound.ok());
  CHECK(api::str(*bound, "status") == "Success");
  CHECK(api::str(api.get(pod).json(), "spec.nodeName") == "n7");
  auto again = api.context(pod.json());
  CHECK(api.run(bind_pod(api.registry(), again, binding)).error().is(Reason::kConflict));
}

TEST_CASE("eviction spends the disruption budget") {
  TestApi api;
  const std::string spec = "spec: {nodeName: n, containers: [{name: c, image: i}]}}";
  const Object one = api.create("{apiVersion: v1, kind: Pod, metadata: {name: p1, labels: {a: b}}, " + spec);
  const Object two = api.create("{apiVersion: v1, kind: Pod, metadata: {name: p2, labels: {a: b}}, " + spec);
  const Object budget = api.create(
      "{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: b}, spec: {minAvailable: 1, "
      "selector: "
      "{matchLabels: {a: b}}}}");
  for (const Object& pod : {one, two}) {
    api.patch(PatchType::kMerge, pod,
              "{status: {phase: Running, conditions: [{type: Ready, status: 'True'}]}}", "status");
  }
  api.patch(PatchType::kMerge, budget,
            "{status: {observedGeneration: 1, disruptionsAllowed: 1, currentHealthy: 2, desiredHealthy: 1, "
            "expectedPods: 2}}",
            "status");
  auto call = api.context(one.json(), "eviction");
  REQUIRE(api.run(evict_pod(api.registry(), call, Json())).ok());
  CHECK(api.get(one).deleting());
  const auto conditions = api::to_json(*api::find(api.get(one).json(), "status.conditions"));
  CHECK(conditions.find(R"("type":"DisruptionTarget","status":"True","reason":"EvictionByEvictionAPI")") !=
        std::string::npos);
  CHECK(api::num(api.get(budget).json(), "status.disruptionsAllowed", -1) == 0);
  auto next = api.context(two.json(), "eviction");
  const auto refused = api.run(evict_pod(api.registry(), next, Json()));
  REQUIRE(!refused.ok());
  CHECK(refused.error().is(Reason::kTooManyRequests));
  CHECK(!api.get(two).deleting());
}
