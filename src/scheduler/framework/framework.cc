#include "framework/framework.h"

#include <algorithm>

namespace mk::scheduler {

void normalize_to_max(std::vector<std::int64_t>& scores, bool reverse) {
  std::int64_t most = 0;
  for (const auto score : scores) most = std::max(most, score);
  for (auto& score : scores) {
    if (most == 0) {
      score = reverse ? kMaxScore : 0;
      continue;
    }
    score = score * kMaxScore / most;
    if (reverse) score = kMaxScore - score;
  }
}

Cycle::Cycle(Plugins& plugins, const ClusterView& view, PodPtr pod) : view_(&view), pod_(std::move(pod)) {
  for (const auto& plugin : plugins) {
    all_.push_back(plugin.get());
    auto status = plugin->pre_filter(state_, *pod_, view);
    if (status.code == Status::Code::kSkip) continue;
    filters_.push_back(plugin.get());
    if (status.ok() || !pre_filter_status_.ok()) continue;
    pre_filter_status_ = std::move(status);
    pre_filter_plugin_ = plugin->name();
  }
}

Refusal Cycle::filter(const NodeInfo& node) const {
  for (auto* plugin : filters_) {
    auto status = plugin->filter(state_, *pod_, node);
    if (!status.ok()) return {std::move(status), plugin->name()};
  }
  return {};
}

std::vector<std::int64_t> Cycle::scores(const std::vector<const NodeInfo*>& nodes) {
  std::vector<std::int64_t> totals(nodes.size(), 0);
  for (auto* plugin : all_) {
    if (plugin->weight() == 0) continue;
    if (!plugin->pre_score(state_, *pod_, *view_, nodes).ok()) continue;
    std::vector<std::int64_t> scores;
    scores.reserve(nodes.size());
    for (const auto* node : nodes) scores.push_back(plugin->score(state_, *pod_, *node));
    plugin->normalize(state_, scores);
    for (std::size_t i = 0; i < nodes.size(); ++i) totals[i] += plugin->weight() * scores[i];
  }
  return totals;
}

void Cycle::add_pod(const PodInfo& other, const NodeInfo& node) {
  for (auto* plugin : filters_) plugin->pod_added(state_, *pod_, other, node);
}

void Cycle::remove_pod(const PodInfo& other, const NodeInfo& node) {
  for (auto* plugin : filters_) plugin->pod_removed(state_, *pod_, other, node);
}

}  // namespace mk::scheduler
