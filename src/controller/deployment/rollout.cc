#include "deployment/rollout.h"

#include <algorithm>
#include <cmath>

#include "kit/objects.h"
#include "mk/base/strings.h"

namespace mk::controller::deployment {

Goal goal_of(const api::Json& deployment) {
  Goal goal;
  goal.replicas = api::num(deployment, "spec.replicas", 1);
  goal.rolling = api::str(deployment, "spec.strategy.type", "RollingUpdate") != "Recreate";
  if (!goal.rolling) return goal;
  goal.max_surge =
      scaled_value(api::find(deployment, "spec.strategy.rollingUpdate.maxSurge"), goal.replicas, true);
  goal.max_unavailable =
      scaled_value(api::find(deployment, "spec.strategy.rollingUpdate.maxUnavailable"), goal.replicas, false);
  // Both zero (by rounding down) would never move.
  if (goal.max_surge == 0 && goal.max_unavailable == 0) goal.max_unavailable = 1;
  goal.max_unavailable = std::min(goal.max_unavailable, goal.replicas);
  return goal;
}

Set set_of(const api::Object& replica_set) {
  const auto& json = replica_set.json();
  Set set;
  set.name = replica_set.name();
  set.created = created_at(replica_set);
  set.spec = api::num(json, "spec.replicas");
  set.status = api::num(json, "status.replicas");
  set.available = api::num(json, "status.availableReplicas");
  set.desired = parse_int(replica_set.annotation(kDesired));
  set.max_replicas = parse_int(replica_set.annotation(kMaxReplicas));
  return set;
}

std::int64_t new_set_size(const Goal& goal, std::int64_t current, std::int64_t total) {
  if (!goal.rolling || current >= goal.replicas) return goal.replicas;
  const auto room = goal.replicas + goal.max_surge - total;
  if (room <= 0) return current;
  return current + std::min(room, goal.replicas - current);
}

namespace {

std::int64_t total_spec(const std::vector<Set>& sets) {
  std::int64_t total = 0;
  for (const auto& set : sets) total += set.spec;
  return total;
}

void oldest_first(std::vector<Set>& sets) {
  std::sort(sets.begin(), sets.end(), [](const Set& a, const Set& b) {
    return a.created != b.created ? a.created < b.created : a.name < b.name;
  });
}

// Takes away pods of old sets that are not available: that costs nobody anything.
std::int64_t drop_unhealthy(std::vector<Set>& old, std::int64_t most) {
  std::int64_t dropped = 0;
  for (auto& set : old) {
    if (dropped >= most) break;
    const auto unhealthy = set.spec - set.available;
    if (set.spec == 0 || unhealthy <= 0) continue;
    const auto count = std::min(most - dropped, unhealthy);
    set.spec -= count;
    dropped += count;
  }
  return dropped;
}

void drop_healthy(const Goal& goal, const Set& newest, std::vector<Set>& old) {
  std::int64_t available = newest.available;
  for (const auto& set : old) available += set.available;
  auto left = available - (goal.replicas - goal.max_unavailable);
  for (auto& set : old) {
    if (left <= 0) break;
    const auto count = std::min(set.spec, left);
    set.spec -= count;
    left -= count;
  }
}

Scalings differences(const std::vector<Set>& before, const std::vector<Set>& after) {
  Scalings scalings;
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (before[i].spec != after[i].spec) scalings.emplace_back(after[i].name, after[i].spec);
  }
  return scalings;
}

}  // namespace

Scalings scale_down_old(const Goal& goal, const Set& newest, const std::vector<Set>& old_sets) {
  auto old = old_sets;
  oldest_first(old);
  const auto old_pods = total_spec(old);
  if (old_pods == 0) return {};
  const auto min_available = goal.replicas - goal.max_unavailable;
  const auto new_unavailable = newest.spec - newest.available;
  const auto most = old_pods + newest.spec - min_available - new_unavailable;
  if (most <= 0) return {};
  const auto before = old;
  drop_unhealthy(old, most);
  drop_healthy(goal, newest, old);
  return differences(before, old);
}

namespace {

// A set's share of a change, from its size and the size the Deployment could have had when it was last
// scaled.
std::int64_t fraction(const Goal& goal, std::int64_t status_replicas, const Set& set) {
  if (goal.replicas == 0) return -set.spec;
  const auto annotated = set.max_replicas.value_or(0) > 0 ? *set.max_replicas : status_replicas;
  if (annotated == 0) return 0;
  const auto target =
      static_cast<double>(set.spec * (goal.replicas + goal.max_surge)) / static_cast<double>(annotated);
  return static_cast<std::int64_t>(std::round(target)) - set.spec;
}

std::int64_t proportion(const Goal& goal, std::int64_t status_replicas, const Set& set, std::int64_t to_add,
                        std::int64_t added) {
  if (set.spec == 0 || to_add == 0 || to_add == added) return 0;
  const auto share = fraction(goal, status_replicas, set);
  const auto allowed = to_add - added;
  return to_add > 0 ? std::min(share, allowed) : std::max(share, allowed);
}

// The largest first; among equals the newest when growing, the oldest when shrinking.
void by_size(std::vector<Set>& sets, bool growing) {
  std::sort(sets.begin(), sets.end(), [growing](const Set& a, const Set& b) {
    if (a.spec != b.spec) return a.spec > b.spec;
    if (a.created != b.created) return growing ? a.created > b.created : a.created < b.created;
    return a.name < b.name;
  });
}

Scalings share_out(const Goal& goal, std::int64_t status_replicas, std::vector<Set> sets) {
  const auto allowed = goal.replicas > 0 ? goal.replicas + goal.max_surge : 0;
  const auto to_add = allowed - total_spec(sets);
  by_size(sets, to_add > 0);
  const auto before = sets;
  std::int64_t added = 0;
  for (auto& set : sets) {
    const auto change = proportion(goal, status_replicas, set, to_add, added);
    set.spec += change;
    added += change;
  }
  // What rounding left over goes to the largest.
  if (!sets.empty()) sets.front().spec = std::max<std::int64_t>(0, sets.front().spec + to_add - added);
  Scalings scalings;
  for (const auto& set : sets) scalings.emplace_back(set.name, set.spec);  // annotations may be stale in all
  return scalings;
}

bool saturated(const Goal& goal, const Set& set) {
  return set.spec == goal.replicas && set.desired == goal.replicas && set.available == goal.replicas;
}

// The only set with pods, else the newest there is; nullptr when several have pods.
const Set* active_or_latest(const Set* newest, const std::vector<Set>& old) {
  const Set* active = newest && newest->spec > 0 ? newest : nullptr;
  const Set* latest = newest;
  for (const auto& set : old) {
    if (!newest && (!latest || set.created > latest->created)) latest = &set;
    if (set.spec == 0) continue;
    if (active) return nullptr;
    active = &set;
  }
  return active ? active : latest;
}

}  // namespace

Scalings scale_in_proportion(const Goal& goal, std::int64_t status_replicas, const Set* newest,
                             const std::vector<Set>& old) {
  Scalings scalings;
  if (const auto* only = active_or_latest(newest, old)) {
    scalings.emplace_back(only->name, goal.replicas);
    return scalings;
  }
  if (newest && saturated(goal, *newest)) {
    for (const auto& set : old) {
      if (set.spec > 0) scalings.emplace_back(set.name, 0);
    }
    return scalings;
  }
  if (!goal.rolling) return scalings;
  std::vector<Set> active;
  for (const auto& set : old) {
    if (set.spec > 0) active.push_back(set);
  }
  if (newest && newest->spec > 0) active.push_back(*newest);
  return share_out(goal, status_replicas, std::move(active));
}

bool scaling_needed(const Goal& goal, const std::vector<Set>& sets) {
  return std::any_of(sets.begin(), sets.end(), [&goal](const Set& set) {
    return set.spec > 0 && set.desired && *set.desired != goal.replicas;
  });
}

std::int64_t revision_of(const api::Object& replica_set) {
  return parse_int(replica_set.annotation(kRevision)).value_or(0);
}

std::vector<api::Object> expendable(const std::vector<api::Object>& old, std::int64_t history_limit) {
  std::vector<api::Object> cleanable;
  for (const auto& set : old) {
    if (!set.deleting()) cleanable.push_back(set);
  }
  const auto excess = static_cast<std::int64_t>(cleanable.size()) - history_limit;
  if (excess <= 0) return {};
  std::sort(cleanable.begin(), cleanable.end(), [](const api::Object& a, const api::Object& b) {
    const auto left = revision_of(a), right = revision_of(b);
    return left != right ? left < right : created_at(a) < created_at(b);
  });
  cleanable.resize(static_cast<std::size_t>(excess));
  std::erase_if(cleanable, [](const api::Object& set) {
    return api::num(set.json(), "status.replicas") != 0 || api::num(set.json(), "spec.replicas") != 0 ||
           set.generation() > api::num(set.json(), "status.observedGeneration");
  });
  return cleanable;
}

namespace {
api::Json without_hash(const api::Json& pod_template) {
  api::Json copy = pod_template;
  const auto* labels = api::find(copy, "metadata.labels");
  if (!labels || !labels->is_object()) return copy;
  auto remaining = labels->get_object();
  remaining.erase(kHashLabel);
  api::set(copy, "metadata.labels", remaining);
  return copy;
}
}  // namespace

bool same_template(const api::Json& a, const api::Json& b) {
  return without_hash(a) == without_hash(b);
}

api::Object find_new_set(const api::Json& deployment, const std::vector<api::Object>& sets) {
  const auto* wanted = api::find(deployment, "spec.template");
  api::Object found;
  for (const auto& set : sets) {
    const auto* present = api::find(set.json(), "spec.template");
    if (!wanted || !present || !same_template(*wanted, *present)) continue;
    if (!found || created_at(set) < created_at(found) ||
        (created_at(set) == created_at(found) && set.name() < found.name())) {
      found = set;
    }
  }
  return found;
}

}  // namespace mk::controller::deployment
