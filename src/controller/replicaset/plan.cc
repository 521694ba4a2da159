#include "replicaset/plan.h"

#include <algorithm>
#include <bit>
#include <boost/json/object.hpp>

#include "kit/objects.h"
#include "mk/base/strings.h"

namespace mk::controller::replicaset {

Plan plan(std::int64_t replicas, std::size_t active_pods) {
  const auto diff = replicas - static_cast<std::int64_t>(active_pods);
  Plan made;
  made.create = static_cast<int>(std::clamp<std::int64_t>(diff, 0, kBurst));
  made.remove = static_cast<int>(std::clamp<std::int64_t>(-diff, 0, kBurst));
  return made;
}

namespace {

// Spans on a logarithmic scale, so that among pods of about the same age chance (the uid) decides and scaling
// down does not always hit the newest.
int magnitude(rt::WallTime since, rt::WallTime now) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now - since).count();
  return std::bit_width(static_cast<std::uint64_t>(std::max<std::int64_t>(seconds, 0)));
}

struct Rank {
  bool assigned, ready;
  int phase;
  std::int64_t cost, neighbours, ready_span, restarts;
  int age;
  std::string_view uid;
};

int phase_rank(std::string_view phase) {
  return phase == "Running" ? 2 : phase == "Unknown" ? 1 : 0;
}

Rank rank_of(const api::Object& pod, const std::unordered_map<std::string, int>& pods_per_node,
             rt::WallTime now) {
  const auto& json = pod.json();
  Rank rank{};
  const std::string node(api::str(json, "spec.nodeName"));
  rank.assigned = !node.empty();
  rank.phase = phase_rank(api::str(json, "status.phase"));
  rank.ready = pod_ready(json);
  rank.cost = parse_int(pod.annotation("controller.kubernetes.io/pod-deletion-cost")).value_or(0);
  const auto found = pods_per_node.find(node);
  rank.neighbours = found == pods_per_node.end() ? 0 : found->second;
  if (const auto since = pod_ready_since(json)) rank.ready_span = magnitude(*since, now);
  for (const auto& container : api::list(json, "status.containerStatuses")) {
    rank.restarts = std::max(rank.restarts, api::num(container, "restartCount"));
  }
  rank.age = magnitude(created_at(pod), now);
  rank.uid = pod.uid();
  return rank;
}

bool cheaper(const Rank& a, const Rank& b) {
  if (a.assigned != b.assigned) return !a.assigned;
  if (a.phase != b.phase) return a.phase < b.phase;
  if (a.ready != b.ready) return !a.ready;
  if (a.cost != b.cost) return a.cost < b.cost;
  if (a.neighbours != b.neighbours) return a.neighbours > b.neighbours;
  if (a.ready && a.ready_span != b.ready_span) return a.ready_span < b.ready_span;
  if (a.restarts != b.restarts) return a.restarts > b.restarts;
  if (a.age != b.age) return a.age < b.age;
  return a.uid < b.uid;
}

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
  } else {
    set_condition(set, Condition("ReplicaFailure", "True", problem.reason, problem.message), now);
  }
}

}  // namespace

void rank_for_deletion(std::vector<api::Object>& pods,
                       const std::unordered_map<std::string, int>& pods_per_node, rt::WallTime now) {
  std::vector<std::pair<Rank, api::Object>> ranked;
  ranked.reserve(pods.size());
  for (auto& pod : pods) ranked.emplace_back(rank_of(pod, pods_per_node, now), pod);
  std::sort(ranked.begin(), ranked.end(),
            [](const auto& a, const auto& b) { return cheaper(a.first, b.first); });
  for (std::size_t i = 0; i < pods.size(); ++i) pods[i] = ranked[i].second;
}

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

std::optional<rt::Duration> next_available(const api::Json& set, const std::vector<api::Object>& active,
                                           rt::WallTime now) {
  const auto min_ready = std::chrono::seconds(api::num(set, "spec.minReadySeconds"));
  std::optional<rt::Duration> soonest;
  for (const auto& pod : active) {
    const auto since = pod_ready_since(pod.json());
    if (!since || *since + min_ready <= now) continue;
    const rt::Duration wait = *since + min_ready - now;
    if (!soonest || wait < *soonest) soonest = wait;
  }
  return soonest;
}

}  // namespace mk::controller::replicaset
