#include <catch2/catch.hpp>

#include "commands/rollout_status.h"
#include "describe/describe.h"
#include "print/tab_writer.h"
#include "stream/remote_command.h"

using namespace mk;
using namespace mk::kubectl;

namespace {

std::string status(const char* yaml) {
  const auto result = rollout_status(api::parse_yaml(yaml).value());
  if (!result.ok()) return "!" + result.error().message();
  return result->message + (result->done ? "done" : "");
}

}  // namespace

TEST_CASE("rollout status texts") {
  CHECK(status("{kind: Deployment, metadata: {name: d, generation: 2}, spec: {replicas: 3}, status: "
               "{observedGeneration: 1}}") == "Waiting for deployment spec update to be observed...\n");
  CHECK(
      status("{kind: Deployment, metadata: {name: d}, spec: {replicas: 3}, status: {updatedReplicas: 1}}") ==
      "Waiting for deployment \"d\" rollout to finish: 1 out of 3 new replicas have been updated...\n");
  CHECK(status("{kind: Deployment, metadata: {name: d}, spec: {replicas: 3}, status: {updatedReplicas: 3, "
               "replicas: 4}}") ==
        "Waiting for deployment \"d\" rollout to finish: 1 old replicas are pending termination...\n");
  CHECK(status("{kind: Deployment, metadata: {name: d}, spec: {replicas: 3}, status: {updatedReplicas: 3, "
               "replicas: 3, availableReplicas: 2}}") ==
        "Waiting for deployment \"d\" rollout to finish: 2 of 3 updated replicas are available...\n");
  CHECK(status("{kind: Deployment, metadata: {name: d}, spec: {replicas: 1}, status: {updatedReplicas: 1, "
               "replicas: 1, availableReplicas: 1}}") == "deployment \"d\" successfully rolled out\ndone");
  CHECK(status("{kind: Deployment, metadata: {name: d}, status: {conditions: [{type: Progressing, reason: "
               "ProgressDeadlineExceeded}]}}") == "!deployment \"d\" exceeded its progress deadline");
  CHECK(status("{kind: DaemonSet, metadata: {name: d}, status: {desiredNumberScheduled: 2, "
               "updatedNumberScheduled: 2, numberAvailable: 1}}") ==
        "Waiting for daemon set \"d\" rollout to finish: 1 of 2 updated pods are available...\n");
  CHECK(status("{kind: DaemonSet, metadata: {name: d}, spec: {updateStrategy: {type: OnDelete}}}") ==
        "!rollout status is only available for RollingUpdate strategy type");
  CHECK(status("{kind: StatefulSet, metadata: {name: s}, spec: {replicas: 2}, status: {observedGeneration: "
               "1, readyReplicas: 1}}") == "Waiting for 1 pods to be ready...\n");
  CHECK(status("{kind: StatefulSet, metadata: {name: s}, spec: {replicas: 1}, status: {observedGeneration: "
               "1, readyReplicas: 1, currentReplicas: 1, updateRevision: r, currentRevision: r}}") ==
        "statefulset rolling update complete 1 pods at revision r...\ndone");
}

TEST_CASE("the exit code of a remote command") {
  CHECK(exit_code_from_status(R"({"status":"Success"})").value() == 0);
  CHECK(
      exit_code_from_status(
          R"({"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"7"}]}})")
          .value() == 7);
  CHECK(exit_code_from_status(R"({"status":"Failure","reason":"InternalError","message":"no such file"})")
            .error()
            .message() == "Internal error occurred: no such file");
}

TEST_CASE("describe") {
  DescribeContext context;
  context.now = 1767312060;  // 2026-01-02T00:01:00Z
  context.events =
      api::parse_json(
          R"({"items":[{"type":"Normal","reason":"Started","message":"Started it","count":3,"firstTimestamp":"2026-01-02T00:00:00Z",
      "lastTimestamp":"2026-01-02T00:00:50Z","source":{"component":"kubelet"}}]})")
          .value();
  const auto config = api::parse_yaml(
                          "{apiVersion: v1, kind: ConfigMap, metadata: {name: c, namespace: d, labels: {b: "
                          "'2', a: '1'}}, data: {k: v}}")
                          .value();
  CHECK(align_tabs(describe_object(config, context), 0, 2) ==
        "Name:         c\nNamespace:    d\nLabels:       a=1\n              b=2\nAnnotations:  "
        "<none>\n\nData\n====\nk:\n----\nv\n\n\nBinaryData\n====\n\n"
        "Events:\n  Type    Reason   Age                From     Message\n  ----    ------   ----            "
        "   ----     -------\n  Normal  Started  10s (x3 over 60s)  kubelet  Started it\n");
  const auto pod = api::parse_yaml(
                       "{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: d}, spec: {containers: "
                       "[{name: c, image: i, args: [x]}]}, status: {phase: Running, "
                       "conditions: [{type: Ready, status: 'True'}], containerStatuses: [{name: c, ready: "
                       "true, state: {waiting: {reason: ErrImagePull}}}]}}")
                       .value();
  const auto text = align_tabs(describe_object(pod, DescribeContext()), 0, 2);
  for (const char* part :
       {"Status:           Running\n", "  c:\n",
        "    State:          Waiting\n      Reason:       ErrImagePull\n", "    Ready:          True\n",
        "    Args:\n      x\n", "Conditions:\n  Type           Status\n  Ready          True \n",
        "Tolerations:     <none>\n"}) {
    INFO(text);
    CHECK(text.find(part) != std::string::npos);
  }
}
