#include "replicaset/plan.h"

#include <algorithm>
#include <boost/json/object.hpp>

#include "kit/objects.h"

namespace mk::controller::replicaset {

Plan plan(std::int64_t replicas, std::size_t active_pods) {
  const auto diff = replicas - static_cast<std::int64_t>(active_pods);
  Plan made;
  made.create = static_cast<int>(std::clamp<std::int64_t>(diff, 0, kBurst));
  made.remove = static_cast<int>(std::clamp<std::int64_t>(-diff, 0, kBurst));
  return made;
}

namespace {

bool has_labels(const api::Object& pod, const api::JsonObject& wanted) {
  const auto& labels = api::object(pod.json(), "metadata.labels");
  return std::all_of(wanted.begin(), wanted.end(), [&labels](const auto& label) {
    const auto* value = labels.if_contains(label.key());
    return value && *value == label.value();
  });
}

void write_failure_condition(api::Json& set, const Problem& problem, rt::WallTime now) {
  if (problem.reason.empty()) {
    remove_condition(set, "ReplicaFailure");
  } else if (!find_condition(set, "ReplicaFailure")) {
    // Said once: the text names a pod of that attempt, and following each would be a write for every attempt,
    // each of which would wake us for the next.
    set_condition(set, Condition("ReplicaFailure", "True", problem.reason, problem.message), now);
  }
}

}  // namespace

api::Json status_of(const api::Json& set, const std::vector<api::Object>& active, std::size_t terminating,
                    const Problem& problem, rt::WallTime now) {
  const auto& template_labels = api::object(set, "spec.template.metadata.labels");
  const auto min_ready = api::num(set, "spec.minReadySeconds");
  std::int64_t labeled = 0, ready = 0, available = 0;
  for (const auto& pod : active) {
    if (has_labels(pod, template_labels)) ++labeled;
    if (!pod_ready(pod.json())) continue;
    ++ready;
    if (pod_available(pod.json(), min_ready, now)) ++available;
  }
  api::Json changed = set;
  write_failure_condition(changed, problem, now);
  api::Json status = api::object(changed, "status");
  // Counts other than replicas have omitempty in Kubernetes: zero is absent.
  const auto put = [&status](const char* field, std::int64_t count) {
    if (count != 0) {
      api::set(status, field, count);
    } else {
      api::erase(status, field);
    }
  };
  api::set(status, "replicas", static_cast<std::int64_t>(active.size()));
  put("fullyLabeledReplicas", labeled);
  put("readyReplicas", ready);
  put("availableReplicas", available);
  if (api::str(set, "kind") != "ReplicationController") {
    api::set(status, "terminatingReplicas", static_cast<std::int64_t>(terminating));
  }
  api::set(status, "observedGeneration", api::num(set, "metadata.generation"));
  return status;
}

}  // namespace mk::controller::replicaset
