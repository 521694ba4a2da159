#include "kit/pod_rank.h"

#include <algorithm>
#include <bit>

#include "kit/objects.h"
#include "mk/base/strings.h"

namespace mk::controller {
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

}  // namespace mk::controller
