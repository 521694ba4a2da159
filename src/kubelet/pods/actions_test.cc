#include <catch2/catch.hpp>

#include "pods/actions.h"

using namespace mk;
using namespace mk::kubelet;

namespace {

Json pod_of(const std::string& spec) {
  return *api::parse_json(R"({"metadata":{"name":"p","namespace":"d","uid":"u"},"spec":)" + spec + "}");
}

struct Given {
  const char* name;
  char state;  // 'r' running, 'x' exited, 'c' created
  int code = 0;
  std::uint32_t attempt = 0;
};

PodSnapshot snapshot_of(std::vector<Given> containers, bool sandbox_ready = true) {
  PodSnapshot out;
  out.sandbox.id = "s";
  out.sandbox.ready = sandbox_ready;
  for (const auto& given : containers) {
    ContainerStatus status;
    status.id = std::string(given.name) + "-" + std::to_string(given.attempt);
    status.name = given.name;
    status.sandbox_id = "s";
    status.attempt = given.attempt;
    status.exit_code = given.code;
    status.state = given.state == 'r'   ? ContainerState::kRunning
                   : given.state == 'x' ? ContainerState::kExited
                                        : ContainerState::kCreated;
    out.containers.push_back(status);
  }
  return out;
}

// "sandbox", "start a/1", "kill a-0", "finished", "backoff a", joined by ", ".
std::string plan(const Json& pod, const PodSnapshot* snapshot, std::set<std::string> started = {},
                 std::set<std::string> unhealthy = {}, const Backoff* backoff = nullptr) {
  ActionInputs inputs;
  inputs.snapshot = snapshot;
  inputs.started = std::move(started);
  inputs.unhealthy = std::move(unhealthy);
  inputs.backoff = backoff;
  const auto actions = compute_actions(pod, inputs);
  std::string out;
  const auto add = [&](const std::string& what) { out += (out.empty() ? "" : ", ") + what; };
  if (actions.create_sandbox) add("sandbox");
  for (const auto& kill : actions.kills) add("kill " + kill.id);
  for (const auto& start : actions.starts)
    add("start " + start.name + "/" + std::to_string(start.attempt) +
        (start.existing_id.empty() ? "" : " existing"));
  for (const auto& wait : actions.backoffs) add("backoff " + wait.name);
  if (actions.finished) add("finished");
  return out;
}

}  // namespace

TEST_CASE("a pod without a sandbox gets one, then its containers") {
  const Json pod = pod_of(R"({"containers":[{"name":"a"},{"name":"b"}]})");
  CHECK(plan(pod, nullptr) == "sandbox");
  auto empty = snapshot_of({});
  CHECK(plan(pod, &empty) == "start a/0, start b/0");
  auto running = snapshot_of({{"a", 'r'}, {"b", 'r'}});
  CHECK(plan(pod, &running).empty());
  auto created = snapshot_of({{"a", 'c'}, {"b", 'r'}});
  CHECK(plan(pod, &created) == "start a/0 existing");
}

TEST_CASE("restart policies decide what an exit means") {
  struct Row {
    const char* policy;
    int code;
    const char* want;
  };
  const auto row =
      GENERATE(Row{"Always", 0, "start a/1"}, Row{"Always", 1, "start a/1"}, Row{"OnFailure", 1, "start a/1"},
               Row{"OnFailure", 0, "finished"}, Row{"Never", 0, "finished"}, Row{"Never", 1, "finished"});
  const Json pod =
      pod_of(std::string(R"({"restartPolicy":")") + row.policy + R"(","containers":[{"name":"a"}]})");
  auto exited = snapshot_of({{"a", 'x', row.code}});
  CHECK(plan(pod, &exited) == row.want);
}

TEST_CASE("init containers run one after the other, each to success") {
  const Json pod = pod_of(R"({"initContainers":[{"name":"i"},{"name":"j"}],"containers":[{"name":"a"}]})");
  auto none = snapshot_of({});
  CHECK(plan(pod, &none) == "start i/0");
  auto first = snapshot_of({{"i", 'r'}});
  CHECK(plan(pod, &first, {"i-0"}).empty());
  auto second = snapshot_of({{"i", 'x', 0}});
  CHECK(plan(pod, &second) == "start j/0");
  auto failed = snapshot_of({{"i", 'x', 1}});
  CHECK(plan(pod, &failed) == "start i/1");
  auto done = snapshot_of({{"i", 'x', 0}, {"j", 'x', 0}});
  CHECK(plan(pod, &done) == "start a/0");
}

TEST_CASE("a failed init container ends a pod that never restarts") {
  const Json pod =
      pod_of(R"({"restartPolicy":"Never","initContainers":[{"name":"i"}],"containers":[{"name":"a"}]})");
  auto failed = snapshot_of({{"i", 'x', 1}});
  CHECK(plan(pod, &failed) == "finished");
}

TEST_CASE("a sidecar must have started before the next container, and is restarted always") {
  const Json pod = pod_of(
      R"({"restartPolicy":"Never","initContainers":[{"name":"s","restartPolicy":"Always"}],"containers":[{"name":"a"}]})");
  auto up = snapshot_of({{"s", 'r'}});
  CHECK(plan(pod, &up).empty());
  CHECK(plan(pod, &up, {"s-0"}) == "start a/0");
  auto gone = snapshot_of({{"s", 'x', 0}, {"a", 'r'}});
  CHECK(plan(pod, &gone) == "start s/1");
  auto over = snapshot_of({{"s", 'r'}, {"a", 'x', 0}});
  CHECK(plan(pod, &over, {"s-0"}) == "finished");
}

TEST_CASE("an unhealthy container is killed") {
  const Json pod = pod_of(R"({"containers":[{"name":"a"}]})");
  auto running = snapshot_of({{"a", 'r'}});
  CHECK(plan(pod, &running, {"a-0"}, {"a-0"}) == "kill a-0");
}

TEST_CASE("a lost sandbox is made again, unless nothing would run in it") {
  const Json pod = pod_of(R"({"restartPolicy":"Never","containers":[{"name":"a"}]})");
  auto ended_pod = snapshot_of({{"a", 'x', 0}}, false);
  CHECK(plan(pod, &ended_pod) == "finished");
  const Json always = pod_of(R"({"containers":[{"name":"a"}]})");
  CHECK(plan(always, &ended_pod) == "sandbox");
}

TEST_CASE("restarts back off: at once, 10 s, 20 s ... 5 min, and are forgotten after 10 minutes") {
  Backoff backoff;
  rt::WallTime now(std::chrono::seconds(1000000));
  CHECK(!backoff.wait_until("a", now, now));
  backoff.next("a", now);
  CHECK(backoff.wait_until("a", now, now) == now + std::chrono::seconds(10));
  for (int i = 0; i < 10; ++i) backoff.next("a", now);
  CHECK(backoff.delay("a") == std::chrono::minutes(5));
  const auto later = now + std::chrono::minutes(11);
  CHECK(!backoff.wait_until("a", later, later));
  backoff.next("a", later);
  CHECK(backoff.delay("a") == std::chrono::seconds(10));
}
