#pragma once

#include <optional>
#include <string>
#include <vector>

#include "mk/api/object.h"
#include "mk/rt/clock.h"

// The decisions of the Deployment controller: which ReplicaSet gets how many replicas next. Pure.
namespace mk::controller::deployment {

inline constexpr char kRevision[] = "deployment.kubernetes.io/revision";
inline constexpr char kRevisionHistory[] = "deployment.kubernetes.io/revision-history";
inline constexpr char kDesired[] = "deployment.kubernetes.io/desired-replicas";
inline constexpr char kMaxReplicas[] = "deployment.kubernetes.io/max-replicas";
inline constexpr char kHashLabel[] = "pod-template-hash";

// What a Deployment asks for, with percentages resolved.
struct Goal {
  std::int64_t replicas = 0, max_surge = 0, max_unavailable = 0;
  bool rolling = true;
};
Goal goal_of(const api::Json& deployment);

// What counts of a ReplicaSet.
struct Set {
  std::string name;
  rt::WallTime created;
  std::int64_t spec = 0, status = 0, available = 0;   // replicas
  std::optional<std::int64_t> desired, max_replicas;  // annotations: what the Deployment wanted last time
};
Set set_of(const api::Object& replica_set);

// One scaling: the ReplicaSet and its new size.
struct Scaling {
  Scaling(std::string name_, std::int64_t replicas_) : name(std::move(name_)), replicas(replicas_) {}
  std::string name;
  std::int64_t replicas;
  bool operator==(const Scaling&) const = default;
};
using Scalings = std::vector<Scaling>;

// The size a new ReplicaSet may have now: surge is respected, and it never exceeds the goal.
std::int64_t new_set_size(const Goal& goal, std::int64_t current, std::int64_t total);

// Rolling update, the old side: first pods that are not available anyway, then as many as availability
// allows.
Scalings scale_down_old(const Goal& goal, const Set& newest, const std::vector<Set>& old);

// The Deployment itself was scaled, or is paused: sizes in proportion, surge shared out, nothing rolled.
Scalings scale_in_proportion(const Goal& goal, std::int64_t status_replicas, const Set* newest,
                             const std::vector<Set>& old);

// Is the size of a set out of date with respect to the Deployment's own?
bool scaling_needed(const Goal& goal, const std::vector<Set>& sets);

// Old sets beyond the history limit that may be deleted, oldest revision first.
std::vector<api::Object> expendable(const std::vector<api::Object>& old, std::int64_t history_limit);

// Equal but for the pod-template-hash label.
bool same_template(const api::Json& a, const api::Json& b);
// The set with the Deployment's template (the oldest, should there be several), or no object.
api::Object find_new_set(const api::Json& deployment, const std::vector<api::Object>& sets);

std::int64_t revision_of(const api::Object& replica_set);

}  // namespace mk::controller::deployment
