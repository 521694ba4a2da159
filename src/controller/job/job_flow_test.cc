// The Job controller against a server in memory.
#include "job/stock.h"
#include "kit/test_world.h"

using namespace mk;
using namespace mk::controller;
using namespace mk::controller::testing;
using namespace mk::api::resources;
using namespace std::chrono_literals;

namespace {

const api::Key kKey("default", "j");

std::string manifest(const std::string& spec) {
  return R"({apiVersion: batch/v1, kind: Job, metadata: {name: j, namespace: default, uid: j-1, generation: 1}, spec: {
    selector: {matchLabels: {batch.kubernetes.io/controller-uid: j-1}},
    template: {metadata: {labels: {batch.kubernetes.io/controller-uid: j-1}},
      spec: {restartPolicy: Never, containers: [{name: c, image: busybox}]}}, )" +
         spec + "}}";
}

void start(World& world, const std::string& spec) {
  world.put(kJobs, manifest(spec).c_str());
}

api::Object the_job(World& world) {
  return world.server.find(kJobs, kKey);
}

void end(World& world, const api::Object& pod, const char* phase) {
  auto json = pod.json();
  api::set(json, "status.phase", phase);
  api::JsonObject ended;
  ended["exitCode"] = std::string_view(phase) == "Failed" ? 1 : 0;
  ended["finishedAt"] = rt::format_time(world.clock.now());
  api::Json container;
  api::set(container, "name", "c");
  api::set(container, "state.terminated", ended);
  api::set(json, "status.containerStatuses", api::JsonArray{container});
  world.server.put(kPods, json);
  world.settle();
}

rt::Task<> remove_pod(World& world, api::Key key) {
  (void)co_await world.server.remove(kPods, key, client::DeleteOptions());
}

std::vector<api::Object> active(World& world) {
  auto pods = world.server.all(kPods);
  std::erase_if(pods, [](const api::Object& pod) { return !pod_active(pod.json()); });
  return pods;
}

std::size_t tracked(World& world) {
  const auto pods = world.server.all(kPods);
  return static_cast<std::size_t>(
      std::count_if(pods.begin(), pods.end(), [](const api::Object& pod) { return job::tracked(pod); }));
}

std::int64_t count(World& world, const char* field) {
  return api::num(the_job(world).json(), std::string("status.") + field);
}

}  // namespace

TEST_CASE("a Job runs as many pods as it may until enough have succeeded") {
  World world;
  start(world, "completions: 3, parallelism: 2, backoffLimit: 6");
  REQUIRE(active(world).size() == 2);
  CHECK(count(world, "active") == 2);
  CHECK(!api::str(the_job(world).json(), "status.startTime").empty());
  world.make_ready(active(world)[0]);
  world.settle();
  CHECK(count(world, "ready") == 1);

  end(world, active(world)[0], "Succeeded");
  CHECK(count(world, "succeeded") == 1);
  CHECK(active(world).size() == 2);
  end(world, active(world)[0], "Succeeded");
  CHECK(active(world).size() == 1);
  end(world, active(world)[0], "Succeeded");
  CHECK(count(world, "succeeded") == 3);
  CHECK(condition(the_job(world), "Complete") == "CompletionsReached");
  CHECK(condition(the_job(world), "SuccessCriteriaMet") == "CompletionsReached");
  CHECK(tracked(world) == 0);
  CHECK(world.pods() == 3);
  const auto reasons = world.event_reasons();
  CHECK(std::count(reasons.begin(), reasons.end(), "Completed") == 1);
}

TEST_CASE("a Job's failed pods are replaced after a pause until the limit") {
  World world;
  start(world, "completions: 1, parallelism: 1, backoffLimit: 1");
  end(world, active(world).at(0), "Failed");
  CHECK(count(world, "failed") == 1);
  CHECK(active(world).empty());
  world.settle(11s);
  REQUIRE(active(world).size() == 1);
  end(world, active(world)[0], "Failed");
  CHECK(count(world, "failed") == 2);
  CHECK(condition(the_job(world), "FailureTarget") == "BackoffLimitExceeded");
  CHECK(condition(the_job(world), "Failed") == "BackoffLimitExceeded");
  CHECK(world.pods() == 2);
  CHECK(tracked(world) == 0);
}

TEST_CASE("pods of a Job that someone deletes are counted once and replaced") {
  World world;
  start(world, "completions: 2, parallelism: 2, backoffLimit: 6");
  const auto victim = active(world).at(0);
  auto json = victim.json();
  api::set(json, "spec.nodeName", "n");
  world.server.put(kPods, json);
  world.group.spawn("delete", remove_pod(world, victim.key()));
  world.settle();
  CHECK(count(world, "failed") == 1);
  CHECK(count(world, "terminating") == 1);
  CHECK(!job::tracked(world.server.find(kPods, victim.key())));
  world.server.erase(kPods, victim.key());
  world.settle(12s);
  CHECK(count(world, "failed") == 1);
  CHECK(count(world, "terminating") == 0);
  CHECK(active(world).size() == 2);
}

TEST_CASE("a suspended Job has no pods, and starts its clock anew when it resumes") {
  World world;
  start(world, "completions: 2, parallelism: 2, backoffLimit: 0, suspend: true");
  CHECK(world.pods() == 0);
  CHECK(condition(the_job(world), "Suspended", "status") == "True");
  CHECK(api::find(the_job(world).json(), "status.startTime") == nullptr);
  edit(world, kJobs, "j", [](api::Json& json) { api::set(json, "spec.suspend", false); });
  CHECK(active(world).size() == 2);
  CHECK(condition(the_job(world), "Suspended") == "JobResumed");
  CHECK(!api::str(the_job(world).json(), "status.startTime").empty());
  // Pods that suspension removes have not failed.
  edit(world, kJobs, "j", [](api::Json& json) { api::set(json, "spec.suspend", true); });
  CHECK(active(world).empty());
  CHECK(count(world, "failed") == 0);
  CHECK(count(world, "active") == 0);
  CHECK(condition(the_job(world), "FailureTarget") == "absent");
  const auto reasons = world.event_reasons();
  CHECK(std::count(reasons.begin(), reasons.end(), "Suspended") >= 1);
  CHECK(std::count(reasons.begin(), reasons.end(), "Resumed") == 1);
}

TEST_CASE("a Job that is past its deadline fails and ends its pods") {
  World world;
  start(world, "completions: 1, parallelism: 1, backoffLimit: 6, activeDeadlineSeconds: 30");
  REQUIRE(active(world).size() == 1);
  world.settle(31s);
  CHECK(active(world).empty());
  CHECK(condition(the_job(world), "Failed") == "DeadlineExceeded");
}

TEST_CASE("an Indexed Job with a success policy ends the pods it does not need") {
  World world;
  start(world,
        "completions: 3, parallelism: 3, completionMode: Indexed, backoffLimit: 6, successPolicy: {rules: "
        "[{succeededIndexes: \"1\"}]}");
  REQUIRE(active(world).size() == 3);
  for (const auto& pod : active(world)) {
    if (job::index_of(pod) == 1) end(world, pod, "Succeeded");
  }
  CHECK(active(world).empty());
  CHECK(condition(the_job(world), "SuccessCriteriaMet") == "SuccessPolicy");
  CHECK(condition(the_job(world), "Complete") == "SuccessPolicy");
  CHECK(api::str(the_job(world).json(), "status.completedIndexes") == "1");
  CHECK(count(world, "failed") == 0);
}

TEST_CASE("a Job adopts with its finalizer and releases without") {
  World world;
  start(world, "completions: 5, parallelism: 1, backoffLimit: 6");
  const auto pod = active(world).at(0);
  auto orphan = pod.json();
  api::erase(orphan, "metadata.ownerReferences");
  api::erase(orphan, "metadata.finalizers");
  world.server.put(kPods, orphan);
  world.settle();
  auto live = world.server.find(kPods, pod.key());
  CHECK(controlled_by(live, "j-1"));
  CHECK(job::tracked(live));
  auto stranger = live.json();
  api::set(stranger, "metadata.labels", api::JsonObject{{"a", "b"}});
  world.server.put(kPods, stranger);
  world.settle();
  live = world.server.find(kPods, pod.key());
  CHECK(!controlled_by(live, "j-1"));
  CHECK(!job::tracked(live));
}

TEST_CASE("pods whose Job is gone lose the finalizer") {
  World world;
  start(world, "completions: 2, parallelism: 2, backoffLimit: 6");
  REQUIRE(tracked(world) == 2);
  auto orphan = active(world)[0].json();
  world.server.erase(kJobs, kKey);
  api::erase(orphan, "metadata.ownerReferences");
  world.server.put(kPods, orphan);
  world.settle();
  CHECK(tracked(world) == 0);
}

TEST_CASE("a Job with another manager is left alone, and a finished one goes after its time") {
  World world;
  start(world, "completions: 1, parallelism: 1, managedBy: example.com/other");
  CHECK(world.pods() == 0);
  edit(world, kJobs, "j", [&world](api::Json& json) {
    api::set(json, "spec.ttlSecondsAfterFinished", 30);
    set_condition(json, Condition("Complete", "True", "", ""), world.clock.now());
  });
  world.settle(20s);
  CHECK(the_job(world));
  world.settle(20s);
  CHECK((!the_job(world) || the_job(world).deleting()));
}
