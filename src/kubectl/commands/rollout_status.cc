#include "commands/rollout_status.h"

#include <fmt/format.h>

#include "cli/command.h"

namespace mk::kubectl {

using api::Json;

namespace {

std::int64_t generation(const Json& object) {
  return api::num(object, "metadata.generation");
}
std::int64_t observed(const Json& object) {
  return api::num(object, "status.observedGeneration");
}

Result<RolloutStatus> deployment_status(const Json& object) {
  const auto name = api::str(object, "metadata.name");
  if (generation(object) > observed(object))
    return RolloutStatus{"Waiting for deployment spec update to be observed...\n"};
  for (const auto& condition : api::list(object, "status.conditions")) {
    if (api::str(condition, "type") == "Progressing" &&
        api::str(condition, "reason") == "ProgressDeadlineExceeded")
      return usage_error(fmt::format("deployment \"{}\" exceeded its progress deadline", name));
  }
  const auto replicas = api::num(object, "spec.replicas", 1),
             updated = api::num(object, "status.updatedReplicas");
  const auto total = api::num(object, "status.replicas"),
             available = api::num(object, "status.availableReplicas");
  const std::string head = fmt::format("Waiting for deployment \"{}\" rollout to finish: ", name);
  if (updated < replicas)
    return RolloutStatus{head +
                         fmt::format("{} out of {} new replicas have been updated...\n", updated, replicas)};
  if (total > updated)
    return RolloutStatus{head + fmt::format("{} old replicas are pending termination...\n", total - updated)};
  if (available < updated)
    return RolloutStatus{head +
                         fmt::format("{} of {} updated replicas are available...\n", available, updated)};
  return RolloutStatus{fmt::format("deployment \"{}\" successfully rolled out\n", name), true};
}

Result<void> check_rolling(const Json& object) {
  if (api::str(object, "spec.updateStrategy.type", "RollingUpdate") == "RollingUpdate") return ok();
  return usage_error("rollout status is only available for RollingUpdate strategy type");
}

Result<RolloutStatus> daemon_set_status(const Json& object) {
  MK_TRY(check_rolling(object));
  const auto name = api::str(object, "metadata.name");
  if (generation(object) > observed(object))
    return RolloutStatus{"Waiting for daemon set spec update to be observed...\n"};
  const auto desired = api::num(object, "status.desiredNumberScheduled");
  const auto updated = api::num(object, "status.updatedNumberScheduled"),
             available = api::num(object, "status.numberAvailable");
  const std::string head = fmt::format("Waiting for daemon set \"{}\" rollout to finish: ", name);
  if (updated < desired)
    return RolloutStatus{head +
                         fmt::format("{} out of {} new pods have been updated...\n", updated, desired)};
  if (available < desired)
    return RolloutStatus{head + fmt::format("{} of {} updated pods are available...\n", available, desired)};
  return RolloutStatus{fmt::format("daemon set \"{}\" successfully rolled out\n", name), true};
}

Result<RolloutStatus> stateful_set_status(const Json& object) {
  MK_TRY(check_rolling(object));
  if (observed(object) == 0 || generation(object) > observed(object))
    return RolloutStatus{"Waiting for statefulset spec update to be observed...\n"};
  const auto replicas = api::num(object, "spec.replicas", 1),
             ready = api::num(object, "status.readyReplicas");
  const auto updated = api::num(object, "status.updatedReplicas");
  if (ready < replicas)
    return RolloutStatus{fmt::format("Waiting for {} pods to be ready...\n", replicas - ready)};
  const auto partition = api::num(object, "spec.updateStrategy.rollingUpdate.partition");
  if (partition > 0) {
    if (updated < replicas - partition)
      return RolloutStatus{fmt::format(
          "Waiting for partitioned roll out to finish: {} out of {} new pods have been updated...\n", updated,
          replicas - partition)};
    return RolloutStatus{
        fmt::format("partitioned roll out complete: {} new pods have been updated...\n", updated), true};
  }
  const auto update = api::str(object, "status.updateRevision"),
             current = api::str(object, "status.currentRevision");
  if (update != current)
    return RolloutStatus{fmt::format(
        "waiting for statefulset rolling update to complete {} pods at revision {}...\n", updated, update)};
  return RolloutStatus{fmt::format("statefulset rolling update complete {} pods at revision {}...\n",
                                   api::num(object, "status.currentReplicas"), current),
                       true};
}

}  // namespace

Result<RolloutStatus> rollout_status(const Json& workload, std::int64_t wanted_revision) {
  const auto kind = api::str(workload, "kind");
  if (wanted_revision > 0 && kind == "Deployment") {
    const Json* annotations = api::find(workload, "metadata.annotations");
    const Json* revision =
        annotations ? api::member(*annotations, "deployment.kubernetes.io/revision") : nullptr;
    const std::string have = revision && revision->is_string() ? std::string(revision->get_string()) : "0";
    if (have != std::to_string(wanted_revision))
      return usage_error(fmt::format("desired revision ({}) is different from the running revision ({})",
                                     wanted_revision, have));
  }
  if (kind == "Deployment") return deployment_status(workload);
  if (kind == "DaemonSet") return daemon_set_status(workload);
  if (kind == "StatefulSet") return stateful_set_status(workload);
  return usage_error(fmt::format("no status viewer has been implemented for {}", kind));
}

}  // namespace mk::kubectl
