#include <catch2/catch.hpp>

#include "status/pod_status.h"

using namespace mk;
using namespace mk::kubelet;

namespace {

Json parse(const std::string& json) {
  return *api::parse_json(json);
}

ContainerStatus container(std::string name, ContainerState state, int code = 0, std::uint32_t attempt = 0) {
  ContainerStatus out;
  out.id = name + "-" + std::to_string(attempt);
  out.name = std::move(name);
  out.sandbox_id = "s";
  out.attempt = attempt;
  out.state = state;
  out.exit_code = code;
  return out;
}

std::string condition(const Json& status, std::string_view type) {
  for (const Json& entry : api::list(status, "conditions"))
    if (api::str(entry, "type") == type)
      return std::string(api::str(entry, "status")) + " " + std::string(api::str(entry, "reason")) + " " +
             std::string(api::str(entry, "message"));
  return "";
}

}  // namespace

TEST_CASE("conditions name the containers that are not ready") {
  const Json pod = parse(
      R"({"metadata":{"uid":"u","generation":3},"spec":{"initContainers":[{"name":"i"},{"name":"j"}],"containers":[{"name":"a"}]}})");
  PodSnapshot snapshot;
  snapshot.sandbox.ready = true;
  snapshot.containers = {container("i", ContainerState::kRunning)};
  StatusInputs in;
  in.snapshot = &snapshot;
  const Json status = make_pod_status(pod, in);
  CHECK(api::str(status, "phase") == "Pending");
  CHECK(condition(status, "Initialized") ==
        "False ContainersNotInitialized containers with incomplete status: [i j]");
  CHECK(condition(status, "Ready") == "False ContainersNotReady containers with unready status: [a]");
  CHECK(condition(status, "PodReadyToStartContainers") == "True  ");
  CHECK(api::str(api::list(status, "containerStatuses")[0], "state.waiting.reason") == "PodInitializing");
  CHECK(api::num(status, "observedGeneration") == 3);
}

TEST_CASE("readiness gates hold Ready back, and foreign conditions stay") {
  const Json pod = parse(
      R"({"metadata":{"uid":"u"},"spec":{"readinessGates":[{"conditionType":"g"}],"containers":[{"name":"a"}]},
    "status":{"conditions":[{"type":"g","status":"False"}]}})");
  PodSnapshot snapshot;
  snapshot.sandbox.ready = true;
  snapshot.containers = {container("a", ContainerState::kRunning)};
  StatusInputs in;
  in.snapshot = &snapshot;
  in.ready = in.started = {"a-0"};
  const Json status = make_pod_status(pod, in);
  CHECK(api::str(status, "phase") == "Running");
  CHECK(condition(status, "ContainersReady") == "True  ");
  CHECK(condition(status, "Ready") ==
        "False ReadinessGatesNotReady the status of pod readiness gate \"g\" is not \"True\", but False");
  CHECK(condition(status, "g") == "False  ");
}

TEST_CASE("phases") {
  const auto phase = [](const char* policy, std::vector<ContainerStatus> containers, bool stopped = false) {
    const Json pod = parse(std::string(R"({"metadata":{"uid":"u"},"spec":{"restartPolicy":")") + policy +
                           R"(","containers":[{"name":"a"},{"name":"b"}]}})");
    PodSnapshot snapshot;
    snapshot.containers = std::move(containers);
    StatusInputs in;
    in.snapshot = &snapshot;
    in.stopped = stopped;
    return std::string(api::str(make_pod_status(pod, in), "phase"));
  };
  const auto kRunning = ContainerState::kRunning, kExited = ContainerState::kExited;
  CHECK(phase("Always", {container("a", kRunning)}) == "Pending");
  CHECK(phase("Always", {container("a", kRunning), container("b", kRunning)}) == "Running");
  CHECK(phase("Always", {container("a", kExited), container("b", kExited, 1)}) == "Running");
  CHECK(phase("Never", {container("a", kExited), container("b", kExited)}) == "Succeeded");
  CHECK(phase("Never", {container("a", kExited), container("b", kExited, 1)}) == "Failed");
  CHECK(phase("OnFailure", {container("a", kExited), container("b", kExited, 1)}) == "Running");
  CHECK(phase("Always", {container("a", kExited, 143), container("b", kExited)}, true) == "Failed");
}

TEST_CASE("the status patch holds the differences alone") {
  const Json current = parse(
      R"({"phase":"Pending","reason":"old","podIPs":[{"ip":"1"}],"conditions":[{"type":"Ready","status":"False","reason":"x"},{"type":"z","status":"True"}]})");
  const Json wanted = parse(
      R"({"phase":"Pending","podIPs":[{"ip":"2"}],"conditions":[{"type":"Ready","status":"True"},{"type":"z","status":"True"}]})");
  const auto patch = status_patch("u", current, wanted);
  REQUIRE(patch);
  CHECK(
      *patch ==
      parse(
          R"({"metadata":{"uid":"u"},"status":{"reason":null,"podIPs":[{"ip":"2"},{"$patch":"delete","ip":"1"}],
    "conditions":[{"type":"Ready","status":"True","reason":null}]}})"));
  CHECK(!status_patch("u", wanted, wanted));
}
