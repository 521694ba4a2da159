#include "mk/rt/event.h"
#include "registry/subresources.h"
#include "registry/test_api.h"

using namespace mk;
using namespace mk::apiserver;
using namespace mk::apiserver::testing;
using api::Json;
using api::Object;

namespace {

Object running_pod(TestApi& api, const std::string& name) {
  const auto made = api.create("{apiVersion: v1, kind: Pod, metadata: {name: " + name +
                               ", namespace: default, labels: {app: web}}, spec: {nodeName: n, containers: "
                               "[{name: c, image: x}]}}");
  return api.patch(client::PatchType::kMerge, made,
                   "{status: {phase: Running, conditions: [{type: Ready, status: 'True'}]}}", "status");
}

Object budget_allowing(TestApi& api, int allowed, const char* more = "") {
  const auto made = api.create(
      std::string("{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: b, namespace: "
                  "default}, spec: {minAvailable: 2, selector: {matchLabels: {app: web}}") +
      more + "}}");
  return api.patch(client::PatchType::kMerge, made,
                   "{status: {observedGeneration: 1, currentHealthy: 3, desiredHealthy: 2, expectedPods: 3, "
                   "disruptionsAllowed: " +
                       std::to_string(allowed) + "}}",
                   "status");
}

rt::Task<Result<Json>> evict(TestApi& api, Object pod, std::string eviction) {
  auto call = api.context(pod.json(), "eviction");
  call.operation = "CREATE";
  co_return co_await evict_pod(api.registry(), call, TestApi::yaml(eviction));
}

}  // namespace

TEST_CASE("evictions at once spend no more than the budget") {
  TestApi api;
  std::vector<Object> pods;
  for (const char* name : {"a", "b", "c"}) pods.push_back(running_pod(api, name));
  const auto budget = budget_allowing(api, 1);
  int evicted = 0, refused = 0;
  const auto one = [&](Object pod) -> rt::Task<> {
    auto done = co_await evict(api, std::move(pod), "{}");
    if (done.ok()) {
      ++evicted;
      co_return;
    }
    CHECK(done.error().is(Reason::kTooManyRequests));
    CHECK(done.error().causes.at(0).type == "DisruptionBudget");
    ++refused;
  };
  const auto all = [&]() -> rt::Task<int> {
    rt::Group group(co_await rt::this_executor());
    for (const auto& pod : pods) group.spawn("evict", one(pod));
    while (evicted + refused < 3) co_await rt::yield();
    co_await group.stop();
    co_return 0;
  };
  api.run(all());
  CHECK(evicted == 1);
  CHECK(refused == 2);
  CHECK(api::num(api.get(budget).json(), "status.disruptionsAllowed", -1) == 0);
  CHECK(api::object(api.get(budget).json(), "status.disruptedPods").size() == 1);
  for (const auto& pod : pods) {
    const auto now = api.get(pod);
    if (!now.deleting()) continue;
    const auto& conditions = api::list(now.json(), "status.conditions");
    REQUIRE(conditions.size() == 2);
    CHECK(api::str(conditions[1], "type") == "DisruptionTarget");
    CHECK(api::str(conditions[1], "reason") == "EvictionByEvictionAPI");
  }
}

TEST_CASE("a trial eviction spends nothing and deletes nothing") {
  TestApi api;
  const auto pod = running_pod(api, "a");
  const auto budget = budget_allowing(api, 1);
  REQUIRE(api.run(evict(api, pod, "{deleteOptions: {dryRun: [All]}}")).ok());
  CHECK(api.get(pod).resource_version() == pod.resource_version());
  CHECK(api.get(budget).resource_version() == budget.resource_version());
}

TEST_CASE("an eviction may expect a certain pod") {
  TestApi api;
  const auto pod = running_pod(api, "a");
  auto other = api.run(evict(api, pod, "{deleteOptions: {preconditions: {uid: other}}}"));
  REQUIRE(!other.ok());
  CHECK(other.error().is(Reason::kConflict));
  CHECK(api.run(evict(api, pod, "{metadata: {name: b}}")).error().is(Reason::kBadRequest));
  CHECK(api.run(evict(api, pod, "{deleteOptions: {gracePeriodSeconds: 5}}")).ok());
  CHECK(api::num(api.get(pod).json(), "metadata.deletionGracePeriodSeconds") == 5);
}

TEST_CASE("pods that do not serve are let go as the budget says") {
  TestApi api;
  const auto pod = running_pod(api, "a");
  const auto sick = api.patch(client::PatchType::kMerge, pod,
                              "{status: {conditions: [{type: Ready, status: 'False'}]}}", "status");
  const auto budget = budget_allowing(api, 0);
  // Enough others are healthy.
  CHECK(api.run(evict(api, sick, "{deleteOptions: {dryRun: [All]}}")).ok());
  api.patch(client::PatchType::kMerge, budget, "{status: {currentHealthy: 1}}", "status");
  CHECK_FALSE(api.run(evict(api, sick, "{deleteOptions: {dryRun: [All]}}")).ok());
  const auto lax =
      api.patch(client::PatchType::kMerge, budget, "{spec: {unhealthyPodEvictionPolicy: AlwaysAllow}}");
  CHECK(api.run(evict(api, sick, "{}")).ok());
  CHECK(api.get(budget).resource_version() == lax.resource_version());
}
