#include "schedule_one.h"

#include <fmt/format.h>

#include <algorithm>

#include "mk/base/strings.h"

namespace mk::scheduler {

std::size_t enough_nodes(std::size_t nodes) {
  constexpr std::size_t kLeast = 100;
  if (nodes <= kLeast) return nodes;
  const auto percent = std::max<std::int64_t>(5, 50 - static_cast<std::int64_t>(nodes) / 125);
  return std::max(kLeast, nodes * static_cast<std::size_t>(percent) / 100);
}

std::string count_reasons(const std::map<std::string, int>& reasons) {
  std::vector<std::string> parts;
  for (const auto& [reason, count] : reasons) parts.push_back(fmt::format("{} {}", count, reason));
  std::sort(parts.begin(), parts.end());
  return join(parts, ", ");
}

std::string Diagnosis::message() const {
  if (nodes == 0) return "no nodes available to schedule pods";
  auto text = fmt::format("0/{} nodes are available", nodes);
  if (!pre_filter_message.empty()) return text + ": " + pre_filter_message + ".";
  std::map<std::string, int> reasons;
  for (const auto& [node, refusal] : refusals) {
    for (const auto& reason : refusal.status.reasons) ++reasons[reason];
  }
  const auto counted = count_reasons(reasons);
  return counted.empty() ? text + "." : text + ": " + counted + ".";
}

Refusal filter_with_nominated(const Cycle& cycle, const NodeInfo& node, const Nominated& nominated) {
  const auto found = nominated.find(node.name);
  if (found != nominated.end()) {
    NodeInfo with = node;
    Cycle what_if = cycle;
    bool added = false;
    for (const auto& other : found->second) {
      if (other->uid == cycle.pod()->uid || other->priority < cycle.pod()->priority) continue;
      with.add_pod(other);
      what_if.add_pod(*other, with);
      added = true;
    }
    if (added) {
      auto refusal = what_if.filter(with);
      if (!refusal.status.ok()) return refusal;
    }
  }
  return cycle.filter(node);
}

Decision ScheduleOne::decide(const PodPtr& pod, const Nominated& nominated) {
  Decision decision;
  auto& diagnosis = decision.diagnosis;
  const auto& nodes = cache_.nodes();
  diagnosis.nodes = nodes.size();
  if (nodes.empty()) return decision;

  Cycle cycle(plugins_, cache_, pod);
  if (!cycle.pre_filter_status().ok()) {
    diagnosis.pre_filter_message = join(cycle.pre_filter_status().reasons, ", ");
    diagnosis.plugins.insert(cycle.pre_filter_plugin());
    return decision;
  }
  std::vector<const NodeInfo*> feasible;
  const auto enough = enough_nodes(nodes.size());
  std::size_t looked_at = 0;
  for (; looked_at < nodes.size() && feasible.size() < enough; ++looked_at) {
    const auto* node = nodes[(next_start_ + looked_at) % nodes.size()];
    auto refusal = filter_with_nominated(cycle, *node, nominated);
    if (refusal.status.ok()) {
      feasible.push_back(node);
    } else {
      diagnosis.plugins.insert(refusal.plugin);
      diagnosis.refusals.emplace_back(node->name, std::move(refusal));
    }
  }
  next_start_ = (next_start_ + looked_at) % nodes.size();
  if (!feasible.empty()) decision.node = best(cycle, feasible);
  return decision;
}

std::string ScheduleOne::best(Cycle& cycle, const std::vector<const NodeInfo*>& feasible) {
  if (feasible.size() == 1) return feasible.front()->name;
  const auto scores = cycle.scores(feasible);
  // Chance decides between equals, each with the same probability.
  std::size_t chosen = 0;
  std::uint64_t equals = 1;
  for (std::size_t i = 1; i < scores.size(); ++i) {
    if (scores[i] > scores[chosen]) {
      chosen = i;
      equals = 1;
    } else if (scores[i] == scores[chosen] && random_.below(++equals) == 0) {
      chosen = i;
    }
  }
  return feasible[chosen]->name;
}

}  // namespace mk::scheduler
