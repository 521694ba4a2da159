#include "preemption/preemption.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace mk::scheduler {
namespace {

constexpr char kNotHelpful[] = "Preemption is not helpful for scheduling";
constexpr char kNoVictims[] = "No preemption victims found for incoming pod";

bool more_important(const PodPtr& a, const PodPtr& b) {
  if (a->priority != b->priority) return a->priority > b->priority;
  return a->started < b->started;
}

// The pods that must leave so that the pod fits; empty when even all of lower priority are not enough.
std::vector<PodPtr> victims_on(const Cycle& base, const NodeInfo& present, const Nominated& nominated) {
  NodeInfo node = present;
  Cycle cycle = base;
  std::vector<PodPtr> lower;
  for (const auto& other : present.pods) {
    if (other->priority < cycle.pod()->priority) lower.push_back(other);
  }
  if (lower.empty()) return {};
  for (const auto& other : lower) {
    node.remove_pod(other->uid);
    cycle.remove_pod(*other, node);
  }
  if (!filter_with_nominated(cycle, node, nominated).status.ok()) return {};
  // Let back in as many as possible, the most important first.
  std::sort(lower.begin(), lower.end(), more_important);
  std::vector<PodPtr> victims;
  for (const auto& other : lower) {
    node.add_pod(other);
    cycle.add_pod(*other, node);
    if (filter_with_nominated(cycle, node, nominated).status.ok()) continue;
    node.remove_pod(other->uid);
    cycle.remove_pod(*other, node);
    victims.push_back(other);
  }
  return victims;
}

// Smaller is better: highest victim priority, sum of priorities, number, and the latest start of the most
// important victim.
using Cost = std::tuple<std::int64_t, std::int64_t, std::size_t, std::int64_t>;
Cost cost_of(const std::vector<PodPtr>& victims) {
  std::int64_t sum = 0;
  rt::WallTime earliest = rt::WallTime::max();
  for (const auto& victim : victims) {
    sum += victim->priority + (std::int64_t{1} << 31);
    if (victim->priority == victims.front()->priority) earliest = std::min(earliest, victim->started);
  }
  return {victims.front()->priority, sum, victims.size(), -earliest.time_since_epoch().count()};
}

// Victims of an earlier round are still leaving the node that the pod waits for.
bool victims_still_leaving(const Cache& cache, const PodInfo& pod) {
  const auto* node = pod.nominated_node.empty() ? nullptr : cache.node(pod.nominated_node);
  return node && std::any_of(node->pods.begin(), node->pods.end(), [&pod](const PodPtr& other) {
           return other->terminating && other->priority < pod.priority;
         });
}

}  // namespace

Preemption plan_preemption(Plugins& plugins, const Cache& cache, const PodPtr& pod,
                           const Diagnosis& diagnosis, const Nominated& nominated) {
  Preemption plan;
  if (pod->never_preempts) {
    plan.message = "not eligible due to preemptionPolicy=Never.";
    return plan;
  }
  if (victims_still_leaving(cache, *pod)) {
    plan.message = "not eligible due to a terminating pod on the nominated node.";
    return plan;
  }
  std::map<std::string, int> reasons;
  std::optional<Cost> least;
  const Cycle cycle(plugins, cache, pod);
  for (const auto& [node_name, refusal] : diagnosis.refusals) {
    const auto* node = cache.node(node_name);
    if (!node || refusal.status.code == Status::Code::kUnresolvable) {
      ++reasons[kNotHelpful];
      continue;
    }
    auto victims = victims_on(cycle, *node, nominated);
    if (victims.empty()) {
      ++reasons[kNoVictims];
      continue;
    }
    const auto cost = cost_of(victims);
    if (least && *least <= cost) continue;
    least = cost;
    plan.node = node_name;
    plan.victims = std::move(victims);
  }
  if (plan.node.empty()) {
    plan.message =
        diagnosis.refusals.empty()
            ? fmt::format("0/{} nodes are available: {} {}.", diagnosis.nodes, diagnosis.nodes, kNotHelpful)
            : fmt::format("0/{} nodes are available: {}.", diagnosis.nodes, count_reasons(reasons));
  }
  return plan;
}

}  // namespace mk::scheduler
