#include "registry/test_api.h"

using namespace mk;
using namespace mk::apiserver;
using namespace mk::apiserver::testing;
using api::Json;
using api::Object;
using client::DeleteOptions;
using client::PatchType;

namespace {

const char* const kPod = R"(
apiVersion: v1
kind: Pod
metadata: {name: p}
spec: {containers: [{name: main, image: a}], nodeName: n1, terminationGracePeriodSeconds: 30}
)";

std::string config_map(const std::string& name, const std::string& finalizers = "[]") {
  return "{apiVersion: v1, kind: ConfigMap, metadata: {name: " + name + ", finalizers: " + finalizers + "}}";
}

DeleteOptions propagation(std::string policy) {
  DeleteOptions out;
  out.propagation = std::move(policy);
  return out;
}

DeleteOptions grace(std::int64_t seconds) {
  DeleteOptions out;
  out.grace_period_seconds = seconds;
  return out;
}

std::vector<std::string> finalizers(const Object& object) {
  std::vector<std::string> out;
  for (const auto& value : api::list(object.json(), "metadata.finalizers"))
    out.emplace_back(value.get_string());
  return out;
}

}  // namespace

TEST_CASE("delete at once, with preconditions") {
  TestApi api;
  const Object map = api.create(config_map("a"));
  DeleteOptions options;
  options.uid = "other";
  CHECK(api.try_remove(map, options).error().is(Reason::kConflict));
  options.uid = map.uid();
  options.resource_version = "1";
  CHECK(api.try_remove(map, options).error().is(Reason::kConflict));
  options.resource_version = map.resource_version();
  const auto removed = api.try_remove(map, options);
  REQUIRE(removed.ok());
  CHECK(removed->gone);
  CHECK(removed->object.resource_version() == std::to_string(api.store().revision()));
  CHECK(!api.get(map));
  CHECK(api.try_remove(map).error().message() == "configmaps \"a\" not found");
}

TEST_CASE("a pod on a node goes with its grace, which can only become shorter") {
  TestApi api;
  const Object pod = api.create(kPod);
  const auto start = api.clock.now();
  const auto first = api.try_remove(pod);
  REQUIRE(first.ok());
  CHECK(!first->gone);
  CHECK(api::num(first->object.json(), "metadata.deletionGracePeriodSeconds") == 30);
  CHECK(api::str(first->object.json(), "metadata.deletionTimestamp") ==
        rt::format_time(start + std::chrono::seconds(30)));
  CHECK(first->object.generation() == pod.generation() + 1);
  // Longer, or the same again: nothing is written.
  const auto revision = api.store().revision();
  CHECK(api.try_remove(pod, grace(60)).ok());
  CHECK(api.try_remove(pod).ok());
  CHECK(api.store().revision() == revision);
  // Shorter counts from the first request.
  api.clock.advance(std::chrono::seconds(3));
  const auto shorter = api.try_remove(pod, grace(10));
  REQUIRE(shorter.ok());
  CHECK(api::str(shorter->object.json(), "metadata.deletionTimestamp") ==
        rt::format_time(start + std::chrono::seconds(10)));
  CHECK(shorter->object.generation() == pod.generation() + 1);
  const auto now = api.try_remove(pod, grace(0));
  REQUIRE(now.ok());
  CHECK(now->gone);
}

TEST_CASE("a pod that no node runs goes at once") {
  TestApi api;
  const Object pod = api.create(
      "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: c, image: i}]}}");
  CHECK(api.try_remove(pod)->gone);
}

TEST_CASE("finalizers hold a deleted object; the last one to go takes it along") {
  TestApi api;
  const Object map = api.create(config_map("a", "[example.com/one, example.com/two]"));
  const auto waiting = api.try_remove(map);
  REQUIRE(waiting.ok());
  CHECK(!waiting->gone);
  CHECK(waiting->object.deleting());
  const auto revision = api.store().revision();
  CHECK(!api.try_remove(map)->gone);
  CHECK(api.store().revision() == revision);
  // No new finalizer on an object that goes.
  const auto more =
      api.try_patch(PatchType::kMerge, map, "{metadata: {finalizers: [example.com/one, example.com/three]}}");
  REQUIRE(!more.ok());
  CHECK(more.error().message() ==
        "ConfigMap \"a\" is invalid: metadata.finalizers: Forbidden: no new finalizers can be added if the "
        "object is "
        "being deleted, found new finalizers []string{\"example.com/three\"}");
  api.patch(PatchType::kMerge, map, "{metadata: {finalizers: [example.com/two]}}");
  CHECK(api.get(map));
  const auto last = api.try_patch(PatchType::kMerge, map, "{metadata: {finalizers: null}}");
  REQUIRE(last.ok());
  CHECK(!api.get(map));
  CHECK(last->object.name() == "a");
}

TEST_CASE("what becomes of dependents is a finalizer for the garbage collector") {
  TestApi api;
  const Object map = api.create(config_map("a"));
  CHECK(finalizers(api.try_remove(map, propagation("Foreground"))->object) ==
        std::vector<std::string>{"foregroundDeletion"});
  CHECK(finalizers(api.try_remove(map, propagation("Orphan"))->object) == std::vector<std::string>{"orphan"});
  CHECK(!api.try_remove(map)->gone);  // the client does not say: it stays as decided
  CHECK(api.try_remove(map, propagation("Background"))->gone);
  // Jobs keep their pods unless told otherwise.
  const Object job = api.create(
      "{apiVersion: batch/v1, kind: Job, metadata: {name: j}, spec: {template: {spec: {restartPolicy: Never, "
      "containers: "
      "[{name: c, image: i}]}}}}");
  CHECK(finalizers(api.try_remove(job)->object) == std::vector<std::string>{"orphan"});
  CHECK(api.try_remove(job, propagation("Background"))->gone);
}

TEST_CASE("a namespace ends when its content is gone") {
  TestApi api;
  const Object ns = api.create("{apiVersion: v1, kind: Namespace, metadata: {name: mine}}");
  const auto ending = api.try_remove(ns);
  REQUIRE(ending.ok());
  CHECK(!ending->gone);
  CHECK(api::str(ending->object.json(), "status.phase") == "Terminating");
  const auto late = api.try_create("{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: mine}}");
  REQUIRE(!late.ok());
  CHECK(late.error().is(Reason::kForbidden));
  Json done = api.get(ns).json();
  api::erase(done, "spec.finalizers");
  auto call = api.context(done, "finalize");
  REQUIRE(api.run(api.registry().update(call, done)).ok());
  CHECK(!api.get(ns));
}

TEST_CASE("delete and update race: neither is lost") {
  TestApi api;
  const Object map = api.create(config_map("a"));
  auto writing = api.context(map.json()), removing = api.context(map.json());
  std::optional<Result<Deleted>> removed;
  auto both = [&]() -> rt::Task<Result<void>> {
    rt::Group group(co_await rt::this_executor());
    auto write = [&]() -> rt::Task<> {
      Json patch = TestApi::yaml("{data: {a: b}}");
      (void)co_await api.registry().patch(writing, PatchType::kMerge, std::move(patch));
    };
    auto remove = [&]() -> rt::Task<> {
      removed.emplace(co_await api.registry().remove(removing, DeleteOptions()));
    };
    group.spawn("write", write());
    group.spawn("remove", remove());
    while (group.size() > 0) co_await rt::yield();
    co_return ok();
  };
  REQUIRE(api.run(both()).ok());
  REQUIRE(removed->ok());
  CHECK((*removed)->gone);
  CHECK(!api.get(map));
}
