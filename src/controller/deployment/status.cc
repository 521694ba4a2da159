#include "deployment/status.h"

#include <boost/json/object.hpp>
#include <limits>

#include "kit/objects.h"

namespace mk::controller::deployment {
namespace {

std::int64_t sum(const std::vector<api::Object>& sets, std::string_view path) {
  std::int64_t total = 0;
  for (const auto& set : sets) total += api::num(set.json(), path);
  return total;
}

void write_count(api::Json& status, const char* field, std::int64_t count) {
  if (count != 0) {
    api::set(status, field, count);
  } else {
    api::erase(status, field);
  }
}

// A Deployment's conditions carry lastUpdateTime too. Available and ReplicaFailure change it with status or
// reason.
void set_with_update_time(api::Json& deployment, const Condition& condition, rt::WallTime now) {
  const auto* present = find_condition(deployment, condition.type);
  if (present && api::str(*present, "status") == condition.status &&
      api::str(*present, "reason") == condition.reason) {
    return;
  }
  set_condition(deployment, condition, now);
  auto& mutable_condition = const_cast<api::Json&>(*find_condition(deployment, condition.type));
  api::set(mutable_condition, "lastUpdateTime", api::text(rt::format_time(now)));
}

void copy_replica_failure(api::Json& deployment, const api::Object& newest,
                          const std::vector<api::Object>& all, rt::WallTime now) {
  const api::Json* failure = newest ? find_condition(newest.json(), "ReplicaFailure") : nullptr;
  for (const auto& set : all) {
    if (!failure) failure = find_condition(set.json(), "ReplicaFailure");
  }
  if (!failure) {
    remove_condition(deployment, "ReplicaFailure");
    return;
  }
  const Condition copy("ReplicaFailure", std::string(api::str(*failure, "status")),
                       std::string(api::str(*failure, "reason")), std::string(api::str(*failure, "message")));
  set_with_update_time(deployment, copy, now);
}

}  // namespace

api::Json with_counts(const api::Json& deployment, const api::Object& newest,
                      const std::vector<api::Object>& all, rt::WallTime now) {
  const auto goal = goal_of(deployment);
  api::Json updated = deployment;
  api::Json status = api::object(updated, "status");
  const auto available = sum(all, "status.availableReplicas");
  write_count(status, "replicas", sum(all, "status.replicas"));
  write_count(status, "updatedReplicas", newest ? api::num(newest.json(), "status.replicas") : 0);
  write_count(status, "readyReplicas", sum(all, "status.readyReplicas"));
  write_count(status, "availableReplicas", available);
  write_count(status, "unavailableReplicas",
              std::max<std::int64_t>(0, sum(all, "spec.replicas") - available));
  api::set(status, "terminatingReplicas", sum(all, "status.terminatingReplicas"));
  api::set(status, "observedGeneration", api::num(deployment, "metadata.generation"));
  api::set(updated, "status", std::move(status));

  if (available >= goal.replicas - goal.max_unavailable) {
    const Condition yes("Available", "True", "MinimumReplicasAvailable",
                        "Deployment has minimum availability.");
    set_with_update_time(updated, yes, now);
  } else {
    const Condition no("Available", "False", "MinimumReplicasUnavailable",
                       "Deployment does not have minimum availability.");
    set_with_update_time(updated, no, now);
  }
  copy_replica_failure(updated, newest, all, now);
  return updated;
}

bool has_progress_deadline(const api::Json& deployment) {
  const auto* deadline = api::find(deployment, "spec.progressDeadlineSeconds");
  return deadline &&
         api::num(deployment, "spec.progressDeadlineSeconds") < std::numeric_limits<std::int32_t>::max();
}

bool complete(const api::Json& deployment) {
  const auto replicas = api::num(deployment, "spec.replicas", 1);
  return api::num(deployment, "status.updatedReplicas") == replicas &&
         api::num(deployment, "status.replicas") == replicas &&
         api::num(deployment, "status.availableReplicas") == replicas &&
         api::num(deployment, "status.observedGeneration") >= api::num(deployment, "metadata.generation");
}

namespace {

bool progressing(const api::Json& before, const api::Json& after) {
  const auto old_pods = [](const api::Json& d) {
    return api::num(d, "status.replicas") - api::num(d, "status.updatedReplicas");
  };
  return api::num(after, "status.updatedReplicas") > api::num(before, "status.updatedReplicas") ||
         old_pods(after) < old_pods(before) ||
         api::num(after, "status.readyReplicas") > api::num(before, "status.readyReplicas") ||
         api::num(after, "status.availableReplicas") > api::num(before, "status.availableReplicas");
}

bool timed_out(const api::Json& deployment, rt::WallTime now) {
  const auto* condition = find_condition(deployment, "Progressing");
  if (!condition) return false;
  const auto reason = api::str(*condition, "reason");
  if (reason == "NewReplicaSetAvailable") return false;
  if (reason == "ProgressDeadlineExceeded") return true;
  const auto since = time_at(*condition, "lastUpdateTime").value_or(now);
  return since + std::chrono::seconds(api::num(deployment, "spec.progressDeadlineSeconds")) < now;
}

// 'ReplicaSet "x"' once there is one, else 'Deployment "x"'.
std::string subject(const api::Json& deployment, const api::Object& newest) {
  if (newest) return "ReplicaSet \"" + std::string(newest.name()) + "\"";
  return "Deployment \"" + std::string(api::str(deployment, "metadata.name")) + "\"";
}

}  // namespace

void set_progressing(api::Json& deployment, std::string status, std::string reason, std::string message,
                     rt::WallTime now) {
  set_with_update_time(
      deployment, Condition("Progressing", std::move(status), std::move(reason), std::move(message)), now);
}

void update_progress(const api::Json& before, api::Json& updated, const api::Object& newest,
                     rt::WallTime now) {
  if (!has_progress_deadline(updated)) {
    remove_condition(updated, "Progressing");
    return;
  }
  const auto* current = find_condition(before, "Progressing");
  const bool was_complete =
      current && api::str(*current, "reason") == "NewReplicaSetAvailable" &&
      api::num(updated, "status.replicas") == api::num(updated, "status.updatedReplicas");
  if (was_complete) return;
  if (complete(updated)) {
    set_progressing(updated, "True", "NewReplicaSetAvailable",
                    subject(updated, newest) + " has successfully progressed.", now);
  } else if (progressing(before, updated)) {
    // Each step counts as news: lastUpdateTime is what the deadline is measured from.
    set_progressing(updated, "True", "ReplicaSetUpdated", subject(updated, newest) + " is progressing.", now);
    auto& condition = const_cast<api::Json&>(*find_condition(updated, "Progressing"));
    api::set(condition, "lastUpdateTime", api::text(rt::format_time(now)));
    api::set(condition, "message", api::text(subject(updated, newest) + " is progressing."));
  } else if (timed_out(updated, now)) {
    set_progressing(updated, "False", "ProgressDeadlineExceeded",
                    subject(updated, newest) + " has timed out progressing.", now);
  }
}

std::optional<rt::Duration> progress_check_after(const api::Json& deployment, rt::WallTime now) {
  const auto* condition = find_condition(deployment, "Progressing");
  if (!condition || !has_progress_deadline(deployment)) return std::nullopt;
  const auto reason = api::str(*condition, "reason");
  if (reason == "ProgressDeadlineExceeded" || reason == "NewReplicaSetAvailable") return std::nullopt;
  const auto since = time_at(*condition, "lastUpdateTime").value_or(now);
  // A second more, because the deadline must have passed, not be reached.
  const rt::Duration left =
      since + std::chrono::seconds(api::num(deployment, "spec.progressDeadlineSeconds") + 1) - now;
  return std::max<rt::Duration>(left, std::chrono::seconds(1));
}

}  // namespace mk::controller::deployment
