// Tables for the decisions about Jobs: no loop, no server.
#include <catch2/catch.hpp>

#include "job/status.h"
#include "kit/objects.h"
#include "ttlafterfinished/ttl_after_finished_controller.h"

using namespace mk;
using namespace mk::controller;
using namespace std::chrono_literals;
using api::Json;

namespace {

const rt::WallTime kNow = *rt::parse_time("2026-01-01T12:00:00Z");

api::Object object(const std::string& yaml) {
  auto json = api::parse_yaml(yaml);
  INFO(yaml);
  REQUIRE(json.ok());
  return api::Object(*json);
}

api::Object make_job(const std::string& spec,
                     const std::string& status = "{startTime: \"2026-01-01T11:00:00Z\"}") {
  return object(
      "{apiVersion: batch/v1, kind: Job, metadata: {name: j, namespace: default, uid: j-1}, spec: " + spec +
      ", status: " + status + "}");
}

struct PodIs {
  std::string name;
  std::string phase = "Running";
  std::string annotations = "";
  bool tracked = true, deleting = false;
  std::string more = "";  // of the status
  std::string finished = "2026-01-01T11:59:59Z";
};

api::Object pod(const PodIs& is) {
  return object("{metadata: {name: " + is.name + ", namespace: default, uid: " + is.name +
                ", annotations: {" + is.annotations + "}, finalizers: [" +
                (is.tracked ? job::kTracking : "") + "]" +
                (is.deleting ? ", deletionTimestamp: \"2026-01-01T12:00:30Z\"" : "") +
                "}, spec: {nodeName: n}, status: {phase: " + is.phase +
                ", containerStatuses: [{name: c, state: {terminated: {exitCode: 1, finishedAt: \"" +
                is.finished + "\"}}}]" + is.more + "}}");
}

std::string at(int index, int failures = -1) {
  std::string text = std::string("\"") + job::kIndex + "\": \"" + std::to_string(index) + "\"";
  if (failures >= 0)
    text += std::string(", \"") + job::kIndexFailures + "\": \"" + std::to_string(failures) + "\"";
  return text;
}

job::Verdict verdict(const api::Object& job, const std::vector<api::Object>& pods) {
  return job::judge(job.json(), job::take_stock(job.json(), pods), kNow);
}

std::string field(const Json& json, const char* path) {
  const auto* found = api::find(json, path);
  return found ? api::to_json(*found) : "absent";
}

std::string condition(const Json& json, const char* type) {
  const auto* found = find_condition(json, type);
  return found ? std::string(api::str(*found, "status")) + " " + std::string(api::str(*found, "reason"))
               : "absent";
}

}  // namespace

TEST_CASE("sets of completion indexes are written as runs") {
  using job::IndexSet;
  CHECK(IndexSet::parse("1,3-5,7", 100).str() == "1,3-5,7");
  CHECK(IndexSet::parse("1,3-5,7", 4).str() == "1,3");
  CHECK(IndexSet::parse("0-9", 100).count() == 10);
  CHECK(IndexSet::parse("nonsense,2", 100).str() == "2");
  IndexSet set;
  for (const int index : {4, 0, 2, 3, 9, 1, 4}) set.add(index);
  CHECK(set.str() == "0-4,9");
  CHECK(set.contains(3));
  CHECK(!set.contains(5));
  set.add(8);
  CHECK(set.str() == "0-4,8,9");
  CHECK(set.count_common(IndexSet::parse("3-8", 100)) == 3);
}

TEST_CASE("a pod that ended is noted, then untracked, then counted") {
  auto job = make_job("{completions: 2, parallelism: 2, backoffLimit: 6}");
  const auto settle = [&job](std::vector<api::Object> pods) {
    const auto stock = job::take_stock(job.json(), pods);
    auto step = job::settle(job, stock, job::judge(job.json(), stock, kNow), 0, 0, kNow);
    job = api::Object(step.job);
    return step;
  };
  const auto running = pod({.name = "b"});
  auto step = settle({pod({.name = "a", .phase = "Succeeded"}), running});
  CHECK(field(step.job, "status.uncountedTerminatedPods") == R"({"succeeded":["a"]})");
  CHECK(field(step.job, "status.succeeded") == "absent");
  CHECK(step.untrack.size() == 1);
  // The cache still shows the finalizer: nothing is counted, the removal is tried again.
  step = settle({pod({.name = "a", .phase = "Succeeded"}), running});
  CHECK(field(step.job, "status.succeeded") == "absent");
  CHECK(step.untrack.size() == 1);
  // It is gone: one, and once.
  step = settle({pod({.name = "a", .phase = "Succeeded", .tracked = false}), running});
  CHECK(field(step.job, "status.uncountedTerminatedPods") == "{}");
  CHECK(field(step.job, "status.succeeded") == "1");
  step = settle({running});
  CHECK(field(step.job, "status.succeeded") == "1");
  CHECK(field(step.job, "status.active") == "1");
  // The last one: the conditions come when everything is counted.
  step = settle({pod({.name = "b", .phase = "Succeeded"})});
  CHECK(condition(step.job, "SuccessCriteriaMet") == "True CompletionsReached");
  CHECK(condition(step.job, "Complete") == "absent");
  step = settle({pod({.name = "b", .phase = "Succeeded", .tracked = false})});
  CHECK(condition(step.job, "Complete") == "True CompletionsReached");
  CHECK(field(step.job, "status.succeeded") == "2");
  CHECK(field(step.job, "status.active") == "absent");
  CHECK(field(step.job, "status.ready") == "0");
  CHECK(field(step.job, "status.terminating") == "0");
  CHECK(field(step.job, "status.completionTime") == "\"2026-01-01T12:00:00Z\"");
}

TEST_CASE("when a Job has failed, and why") {
  const auto failed = pod({.name = "a", .phase = "Failed"});
  CHECK(verdict(make_job("{completions: 1, backoffLimit: 1}"), {failed}).reason.empty());
  CHECK(verdict(make_job("{completions: 1, backoffLimit: 0}"), {failed}).reason == "BackoffLimitExceeded");
  CHECK(verdict(make_job("{completions: 1, backoffLimit: 2}",
                         "{failed: 1, uncountedTerminatedPods: {failed: [z]}}"),
                {failed})
            .reason == "BackoffLimitExceeded");
  // Restarts in place count for OnFailure.
  const auto restarted = object(
      "{metadata: {name: r, uid: r}, status: {phase: Running, containerStatuses: [{restartCount: 3}]}}");
  CHECK(verdict(make_job("{completions: 1, backoffLimit: 3, template: {spec: {restartPolicy: OnFailure}}}"),
                {restarted})
            .reason == "BackoffLimitExceeded");
  CHECK(verdict(make_job("{completions: 1, backoffLimit: 4, template: {spec: {restartPolicy: OnFailure}}}"),
                {restarted})
            .reason.empty());
  CHECK(verdict(make_job("{completions: 1, activeDeadlineSeconds: 3600}"), {}).reason == "DeadlineExceeded");
  CHECK(verdict(make_job("{completions: 1, activeDeadlineSeconds: 3600, suspend: true}"), {}).reason.empty());
  // What was decided stays decided.
  CHECK(verdict(make_job("{completions: 1, backoffLimit: 6}",
                         "{conditions: [{type: FailureTarget, status: \"True\", reason: DeadlineExceeded}]}"),
                {pod({.name = "a", .phase = "Succeeded"})})
            .reason == "DeadlineExceeded");
}

TEST_CASE("pods that are going count as failed at once, or when they are gone, as the policy says") {
  const auto going = pod({.name = "a", .deleting = true});
  auto stock = job::take_stock(make_job("{completions: 1, parallelism: 1}").json(), {going});
  CHECK(stock.failed.size() == 1);
  CHECK(stock.going.size() == 1);
  const auto patient = make_job("{completions: 1, parallelism: 1, podReplacementPolicy: Failed}");
  stock = job::take_stock(patient.json(), {going});
  CHECK(stock.failed.empty());
  CHECK(stock.going.size() == 1);
  CHECK(job::plan(patient.json(), stock, kNow).create.empty());
}

TEST_CASE("failures are followed by growing pauses, which a success ends") {
  CHECK(job::backoff_after(0) == 0s);
  CHECK(job::backoff_after(1) == 10s);
  CHECK(job::backoff_after(3) == 40s);
  CHECK(job::backoff_after(40) == 360s);
  const auto job = make_job("{completions: 5, parallelism: 1}");
  const auto plan = [&job](const std::vector<api::Object>& pods) {
    return job::plan(job.json(), job::take_stock(job.json(), pods), kNow);
  };
  const auto first = pod({.name = "a", .phase = "Failed", .finished = "2026-01-01T11:59:45Z"});
  const auto second = pod({.name = "b", .phase = "Failed", .finished = "2026-01-01T11:59:55Z"});
  CHECK(plan({first}).create.size() == 1);
  CHECK(plan({first, second}).create.empty());
  CHECK(*plan({first, second}).wait == 15s);
  const auto success = pod({.name = "c", .phase = "Succeeded", .finished = "2026-01-01T11:59:58Z"});
  CHECK(plan({first, second, success}).create.size() == 1);
}

TEST_CASE("an Indexed Job fills the lowest free indexes with one pod each") {
  const auto job = make_job("{completions: 5, parallelism: 3, completionMode: Indexed}",
                            "{startTime: \"2026-01-01T11:00:00Z\", completedIndexes: \"0\"}");
  auto todo =
      job::plan(job.json(), job::take_stock(job.json(), {pod({.name = "a", .annotations = at(2)})}), kNow);
  CHECK(todo.create == std::vector<std::int64_t>{1, 3});
  // Doubles and strangers go first.
  const std::vector<api::Object> crowd{
      pod({.name = "a", .annotations = at(2)}), pod({.name = "b", .annotations = at(2)}),
      pod({.name = "c", .annotations = at(9)}), pod({.name = "d"}), pod({.name = "e", .annotations = at(0)})};
  todo = job::plan(job.json(), job::take_stock(job.json(), crowd), kNow);
  CHECK(todo.remove.size() == 4);
  CHECK(todo.create.empty());

  const auto stock = job::take_stock(job.json(), {});
  const api::Object made(job::make_pod(
      object(
          "{metadata: {name: j, namespace: default, uid: j-1}, spec: {template: {metadata: {labels: {a: b}}, "
          "spec: {containers: [{name: c}]}}}}"),
      stock, 3));
  CHECK(api::str(made.json(), "metadata.generateName") == "j-3-");
  CHECK(api::str(made.json(), "spec.hostname") == "j-3");
  CHECK(made.annotation(job::kIndex) == "3");
  CHECK(made.label(job::kIndex) == "3");
  CHECK(made.label("a") == "b");
  CHECK(job::tracked(made));
  CHECK(api::to_json(api::list(made.json(), "spec.containers")[0]) ==
        R"({"name":"c","env":[{"name":"JOB_COMPLETION_INDEX","valueFrom":{"fieldRef":{"fieldPath":)"
        R"("metadata.labels['batch.kubernetes.io/job-completion-index']"}}}]})");
}

TEST_CASE("with a limit per index each index fails alone") {
  const std::string spec =
      "{completions: 3, parallelism: 3, completionMode: Indexed, backoffLimitPerIndex: 1, backoffLimit: 100";
  const auto job = make_job(spec + "}");
  const auto once =
      pod({.name = "a", .phase = "Failed", .annotations = at(1, 0), .finished = "2026-01-01T11:59:55Z"});
  auto stock = job::take_stock(job.json(), {once});
  CHECK(stock.failed_indexes.empty());
  // Index 1 waits for its own pause only; its pod stays until it has a successor that knows of it.
  const auto todo = job::plan(job.json(), stock, kNow);
  CHECK(todo.create == std::vector<std::int64_t>{0, 2});
  CHECK(*todo.wait == 5s);
  auto step = job::settle(job, stock, {}, 0, 0, kNow);
  CHECK(step.untrack.empty());
  CHECK(field(step.job, "status.failedIndexes") == "\"\"");
  const api::Object next(job::make_pod(job, stock, 1));
  CHECK(next.annotation(job::kIndexFailures) == "1");
  stock = job::take_stock(job.json(), {once, pod({.name = "b", .annotations = at(1, 1)})});
  CHECK(job::settle(job, stock, {}, 0, 0, kNow).untrack.size() == 1);

  const auto twice = pod({.name = "b", .phase = "Failed", .annotations = at(1, 1)});
  stock = job::take_stock(job.json(), {once, twice});
  CHECK(stock.failed_indexes.str() == "1");
  CHECK(verdict(job, {once, twice}).reason.empty());
  CHECK(verdict(make_job(spec + ", maxFailedIndexes: 0}"), {once, twice}).reason ==
        "MaxFailedIndexesExceeded");
  const auto rest = make_job(spec + "}", "{completedIndexes: \"0,2\"}");
  CHECK(verdict(rest, {once, twice}).reason == "FailedIndexes");
}

TEST_CASE("a pod failure policy ignores, counts, fails the index or the job") {
  const auto rules = [](const char* rule) {
    return make_job(
        std::string("{completions: 2, parallelism: 2, completionMode: Indexed, backoffLimitPerIndex: 5, "
                    "backoffLimit: 0, podFailurePolicy: {rules: [") +
        rule + "]}}");
  };
  const auto failed = pod({.name = "a", .phase = "Failed", .annotations = at(0, 0)});
  const auto evicted = pod({.name = "b",
                            .phase = "Failed",
                            .annotations = at(0, 0),
                            .more = ", conditions: [{type: DisruptionTarget, status: \"True\"}]"});
  auto made = verdict(rules("{action: FailJob, onExitCodes: {operator: In, values: [1]}}"), {failed});
  CHECK(made.reason == "PodFailurePolicy");
  CHECK(made.message ==
        "Container c for pod default/a failed with exit code 1 matching FailJob rule at index 0");
  made = verdict(rules("{action: FailJob, onPodConditions: [{type: DisruptionTarget}]}"), {evicted});
  CHECK(made.message == "Pod default/b has condition DisruptionTarget matching FailJob rule at index 0");
  const auto ignoring =
      rules("{action: Ignore, onPodConditions: [{type: DisruptionTarget, status: \"True\"}]}");
  CHECK(verdict(ignoring, {evicted}).reason.empty());
  CHECK(verdict(ignoring, {failed}).reason == "BackoffLimitExceeded");
  const auto stock = job::take_stock(
      rules("{action: FailIndex, onExitCodes: {operator: NotIn, values: [7]}}").json(), {failed});
  CHECK(stock.failed_indexes.str() == "0");
}

TEST_CASE("a success policy ends the job early") {
  const auto job = [](const char* rule) {
    return make_job(
        std::string("{completions: 5, parallelism: 5, completionMode: Indexed, successPolicy: {rules: [") +
            rule + "]}}",
        "{completedIndexes: \"0,2\"}");
  };
  CHECK(verdict(job("{succeededIndexes: \"0,2\"}"), {}).reason == "SuccessPolicy");
  CHECK(verdict(job("{succeededIndexes: \"0-2\"}"), {}).reason.empty());
  CHECK(verdict(job("{succeededIndexes: \"0-4\", succeededCount: 2}"), {}).reason == "SuccessPolicy");
  CHECK(verdict(job("{succeededCount: 3}"), {}).reason.empty());
  CHECK(verdict(job("{succeededCount: 3}, {succeededCount: 2}"), {}).message == "Matched rules at index 1");
}

TEST_CASE("a finished Job expires when its time to live has passed") {
  const auto job = make_job("{ttlSecondsAfterFinished: 60}",
                            "{conditions: [{type: Failed, status: \"True\", lastTransitionTime: "
                            "\"2026-01-01T12:00:00Z\"}]}");
  CHECK(*expiry_of(job.json()) == kNow + 60s);
  CHECK(!expiry_of(make_job("{ttlSecondsAfterFinished: 60}").json()));
}
