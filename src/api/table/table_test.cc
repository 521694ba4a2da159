#include "mk/api/table.h"

#include <catch2/catch.hpp>

using namespace mk;
using namespace mk::api;

namespace {
constexpr std::int64_t kNow = 1767312000;  // 2026-01-02T00:00:00Z
JsonArray cells(std::string_view api_version, std::string_view kind, std::string_view text) {
  const auto object = parse_yaml(text);
  INFO((object.ok() ? "" : object.error().message()));
  REQUIRE(object.ok());
  return table_cells(parse_gvk(api_version, kind), *object, kNow);
}
std::string pod_status(std::string_view text) {
  const auto row = cells("v1", "Pod", text);
  return to_json(JsonArray{row[1], row[2], row[3]});
}
}  // namespace

TEST_CASE("every built-in kind has as many cells as columns") {
  for (const auto& resource : builtin_resources()) {
    INFO(resource.kind);
    CHECK(table_cells(resource.gvk(), Json(JsonObject()), kNow).size() ==
          table_columns(resource.gvk()).size());
    CHECK(table_cells(resource.gvk(), Json(), kNow).size() == table_columns(resource.gvk()).size());
  }
}

TEST_CASE("human durations") {
  const std::pair<std::int64_t, const char*> table[] = {
      {-5, "<invalid>"}, {-1, "0s"},         {0, "0s"},        {119, "119s"},      {120, "2m"},
      {150, "2m30s"},    {599, "9m59s"},     {600, "10m"},     {10799, "179m"},    {10800, "3h"},
      {11100, "3h5m"},   {28800, "8h"},      {172799, "47h"},  {172800, "2d"},     {180000, "2d2h"},
      {691200, "8d"},    {63071999, "729d"}, {63072000, "2y"}, {63158400, "2y1d"}, {252288000, "8y"}};
  for (const auto& [seconds, text] : table) CHECK(human_duration(seconds) == text);
}

TEST_CASE("pod status") {
  CHECK(pod_status("spec: {containers: [{name: a}]}\nstatus: {phase: Pending}") ==
        R"(["0/1","Pending","0"])");
  CHECK(
      pod_status("spec: {containers: [{name: a}]}\nstatus: {phase: Running, containerStatuses: [{name: a, "
                 "ready: true, restartCount: 2, "
                 "state: {running: {}}, lastState: {terminated: {finishedAt: '2026-01-01T23:55:00Z'}}}]}") ==
      R"x(["1/1","Running","2 (5m ago)"])x");
  CHECK(pod_status("spec: {containers: [{name: a}]}\nstatus: {phase: Pending, containerStatuses: [{state: "
                   "{waiting: {reason: ImagePullBackOff}}}]}") == R"(["0/1","ImagePullBackOff","0"])");
  CHECK(pod_status("spec: {containers: [{name: a}]}\nstatus: {phase: Failed, containerStatuses: [{state: "
                   "{terminated: {exitCode: 3}}}]}") == R"(["0/1","ExitCode:3","0"])");
  CHECK(pod_status("spec: {containers: [{name: a}]}\nstatus: {phase: Succeeded, containerStatuses: [{state: "
                   "{terminated: {exitCode: 0, reason: Completed}}}]}") == R"(["0/1","Completed","0"])");
  CHECK(pod_status("spec: {initContainers: [{name: i},{name: j}], containers: [{name: a}]}\nstatus: {phase: "
                   "Pending, initContainerStatuses: "
                   "[{name: i, state: {terminated: {exitCode: 0}}}, {name: j, state: {running: {}}}], "
                   "containerStatuses: [{state: {waiting: {reason: PodInitializing}}}]}") ==
        R"(["0/1","Init:1/2","0"])");
  CHECK(pod_status("spec: {initContainers: [{name: i}], containers: [{name: a}]}\nstatus: {phase: Pending, "
                   "initContainerStatuses: "
                   "[{name: i, restartCount: 3, state: {waiting: {reason: CrashLoopBackOff}}}]}") ==
        R"(["0/1","Init:CrashLoopBackOff","3"])");
  CHECK(pod_status("spec: {initContainers: [{name: s, restartPolicy: Always}], containers: [{name: "
                   "a}]}\nstatus: {phase: Running, initContainerStatuses: "
                   "[{name: s, started: true, ready: true, state: {running: {}}}], containerStatuses: "
                   "[{name: a, ready: true, state: {running: {}}}]}") == R"(["2/2","Running","0"])");
  CHECK(pod_status(
            "metadata: {deletionTimestamp: x}\nspec: {containers: [{name: a}]}\nstatus: {phase: Running}") ==
        R"(["0/1","Terminating","0"])");
  CHECK(pod_status("spec: {containers: [{name: a}]}\nstatus: {phase: Failed, reason: Evicted}") ==
        R"(["0/1","Evicted","0"])");
}

TEST_CASE("rows people look at") {
  CHECK(to_json(cells("apps/v1", "Deployment",
                      "metadata: {name: d, creationTimestamp: '2026-01-01T00:00:00Z'}\nspec: {replicas: 3, "
                      "selector: {matchLabels: {a: b}}, template: "
                      "{spec: {containers: [{name: x, image: i},{name: y, image: j}]}}}\nstatus: "
                      "{readyReplicas: 2, updatedReplicas: 3, availableReplicas: 1}")) ==
        R"(["d","2/3",3,1,"24h","x,y","i,j","a=b"])");
  CHECK(to_json(cells("v1", "Service",
                      "metadata: {name: s}\nspec: {type: NodePort, clusterIP: 10.0.0.1, ports: [{port: 80, "
                      "nodePort: 30080},{port: 53, protocol: UDP}]}")) ==
        R"(["s","NodePort","10.0.0.1","<none>","80:30080/TCP,53/UDP","<unknown>","<none>"])");
  CHECK(
      to_json(
          cells("v1", "Service",
                "metadata: {name: s}\nspec: {type: LoadBalancer, clusterIP: 10.0.0.1, ports: [{port: 80}]}"))
          .find("<pending>") != std::string::npos);
  CHECK(to_json(cells("v1", "Node",
                      "metadata: {name: n, labels: {node-role.kubernetes.io/control-plane: ''}}\nspec: "
                      "{unschedulable: true}\nstatus: {conditions: "
                      "[{type: Ready, status: 'True'}], nodeInfo: {kubeletVersion: v1.36.0}}"))
            .find(R"(["n","Ready,SchedulingDisabled","control-plane","<unknown>","v1.36.0")") == 0);
  CHECK(to_json(cells("batch/v1", "Job",
                      "metadata: {name: j}\nspec: {completions: 3}\nstatus: {succeeded: 1, startTime: "
                      "'2026-01-01T23:59:00Z'}"))
            .find(R"(["j","Running","1/3","60s")") == 0);
  CHECK(table_columns(Gvk{"example.com", "v1", "Foo"})[1].name == "Created At");
}
