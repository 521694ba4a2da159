#include <algorithm>
#include <cmath>
#include <limits>

#include "plugins/plugins.h"

namespace mk::scheduler::plugins {
namespace {

constexpr char kName[] = "PodTopologySpread";
constexpr char kHostname[] = "kubernetes.io/hostname";
constexpr char kZone[] = "topology.kubernetes.io/zone";

using Counts = std::unordered_map<std::string, std::int64_t>;  // matching pods by value of the topology key

struct Hard {
  std::vector<SpreadConstraint> constraints;
  std::vector<Counts> counts;
};
struct Soft {
  std::vector<SpreadConstraint> constraints;
  std::vector<Counts> counts;
  std::vector<double> weights;
  bool all_keys_required = true;  // nodes that lack a key are not ranked (not so for the default constraints)
  std::vector<bool> ignored;      // filled by score(), node by node, for normalize()
};

bool has_every_key(const std::vector<SpreadConstraint>& constraints, const NodeInfo& node) {
  return std::all_of(constraints.begin(), constraints.end(),
                     [&node](const SpreadConstraint& c) { return node.has_label(c.topology_key); });
}

bool node_counts(const SpreadConstraint& constraint, const PodInfo& pod, const NodeInfo& node) {
  if (constraint.honor_affinity) {
    if (!api::LabelSelector::from_map(pod.node_selector).matches(node.labels)) return false;
    if (pod.required_nodes && !any_term_matches(*pod.required_nodes, node.labels, node.name)) return false;
  }
  if (!constraint.honor_taints) return true;
  return std::all_of(node.taints.begin(), node.taints.end(), [&pod](const Taint& taint) {
    return taint.effect == "PreferNoSchedule" || tolerates(pod.tolerations, taint);
  });
}

bool pod_counts(const SpreadConstraint& constraint, const PodInfo& pod, const PodInfo& other) {
  if (other.terminating || other.key.ns != pod.key.ns) return false;
  if (constraint.by_controller) return other.controller_uid == pod.controller_uid;
  return constraint.selector.matches(other.labels);
}

// Only pods of the namespace are walked, and each node once.
Counts count(const SpreadConstraint& constraint, const PodInfo& pod, const ClusterView& view,
             bool every_domain, const std::function<bool(const NodeInfo&)>& included) {
  Counts counts;
  const auto& by_node = view.pods_in_namespace(pod.key.ns);
  for (const auto* node : view.nodes()) {
    if (!included(*node) || !node_counts(constraint, pod, *node)) continue;
    const auto value = node->label(constraint.topology_key);
    const auto pods = by_node.find(node->name);
    std::int64_t matching = 0;
    if (pods != by_node.end()) {
      matching = std::count_if(pods->second.begin(), pods->second.end(),
                               [&](const PodPtr& other) { return pod_counts(constraint, pod, *other); });
    }
    if (matching > 0 || every_domain) counts[value] += matching;
  }
  return counts;
}

// Pods of a workload or service that says nothing itself are spread softly over hosts and zones.
std::vector<SpreadConstraint> default_constraints(const PodInfo& pod, const ClusterView& view) {
  SpreadConstraint constraint;
  constraint.hard = false;
  constraint.by_controller = !pod.controller_uid.empty();
  if (!constraint.by_controller) {
    const auto selectors = view.service_selectors(pod);
    if (selectors.empty()) return {};
    constraint.selector = selectors.front();
  }
  std::vector<SpreadConstraint> made(2, constraint);
  made[0].topology_key = kHostname;
  made[0].max_skew = 3;
  made[1].topology_key = kZone;
  made[1].max_skew = 5;
  return made;
}

class PodTopologySpread : public Plugin {
 public:
  std::string name() const override { return kName; }

  Status pre_filter(CycleState& state, const PodInfo& pod, const ClusterView& view) override {
    Hard hard;
    for (const auto& constraint : pod.spread) {
      if (constraint.hard) hard.constraints.push_back(constraint);
    }
    if (hard.constraints.empty()) return Status::skip();
    const std::function<bool(const NodeInfo&)> included = [&hard](const NodeInfo& node) {
      return has_every_key(hard.constraints, node);
    };
    for (const auto& constraint : hard.constraints) {
      hard.counts.push_back(count(constraint, pod, view, true, included));
    }
    state.make<Hard>(kName) = std::move(hard);
    return Status::success();
  }

  Status filter(const CycleState& state, const PodInfo& pod, const NodeInfo& node) override {
    const auto* hard = state.get<Hard>(kName);
    if (!hard) return Status::success();
    for (std::size_t i = 0; i < hard->constraints.size(); ++i) {
      const auto& constraint = hard->constraints[i];
      if (!node.has_label(constraint.topology_key)) {
        return Status::unresolvable(
            "node(s) didn't match pod topology spread constraints (missing required label)");
      }
      const auto& counts = hard->counts[i];
      const auto found = counts.find(node.label(constraint.topology_key));
      const auto here = found == counts.end() ? 0 : found->second;
      const std::int64_t self = pod_counts(constraint, pod, pod) ? 1 : 0;
      if (here + self - least(constraint, counts) > constraint.max_skew) {
        return Status::unschedulable("node(s) didn't match pod topology spread constraints");
      }
    }
    return Status::success();
  }

  void pod_added(CycleState& state, const PodInfo& pod, const PodInfo& other, const NodeInfo& node) override {
    adjust(state, pod, other, node, 1);
  }
  void pod_removed(CycleState& state, const PodInfo& pod, const PodInfo& other,
                   const NodeInfo& node) override {
    adjust(state, pod, other, node, -1);
  }

  std::int64_t weight() const override { return 2; }

  Status pre_score(CycleState& state, const PodInfo& pod, const ClusterView& view,
                   const std::vector<const NodeInfo*>& nodes) override {
    Soft soft;
    for (const auto& constraint : pod.spread) {
      if (!constraint.hard) soft.constraints.push_back(constraint);
    }
    if (pod.spread.empty()) {
      soft.constraints = default_constraints(pod, view);
      soft.all_keys_required = false;
    }
    if (soft.constraints.empty()) return Status::skip();
    for (const auto& constraint : soft.constraints) add_constraint(soft, constraint, pod, view, nodes);
    state.make<Soft>(kScoreState) = std::move(soft);
    return Status::success();
  }

  std::int64_t score(const CycleState& state, const PodInfo&, const NodeInfo& node) override {
    auto& soft = *const_cast<CycleState&>(state).get<Soft>(kScoreState);
    const bool ignored = soft.all_keys_required && !has_every_key(soft.constraints, node);
    soft.ignored.push_back(ignored);
    if (ignored) return 0;
    double total = 0;
    for (std::size_t i = 0; i < soft.constraints.size(); ++i) {
      const auto& constraint = soft.constraints[i];
      if (!node.has_label(constraint.topology_key)) continue;
      const auto found = soft.counts[i].find(node.label(constraint.topology_key));
      const auto here = found == soft.counts[i].end() ? 0 : found->second;
      total += static_cast<double>(here) * soft.weights[i] + static_cast<double>(constraint.max_skew - 1);
    }
    return static_cast<std::int64_t>(std::llround(total));
  }

  // Fewer matching pods is better.
  void normalize(const CycleState& state, std::vector<std::int64_t>& scores) override {
    const auto& soft = *state.get<Soft>(kScoreState);
    std::int64_t least = std::numeric_limits<std::int64_t>::max(), most = 0;
    for (std::size_t i = 0; i < scores.size(); ++i) {
      if (soft.ignored[i]) continue;
      least = std::min(least, scores[i]);
      most = std::max(most, scores[i]);
    }
    for (std::size_t i = 0; i < scores.size(); ++i) {
      if (soft.ignored[i]) {
        scores[i] = 0;
      } else {
        scores[i] = most == 0 ? kMaxScore : kMaxScore * (most + least - scores[i]) / most;
      }
    }
  }

  bool may_help(const ClusterEvent& event) const override {
    using Kind = ClusterEvent::Kind;
    return event.kind != Kind::kOther && event.kind != Kind::kPodUnassignedChanged &&
           (event.kind != Kind::kNodeChanged || event.labels || event.taints);
  }

 private:
  static constexpr char kScoreState[] = "PodTopologySpread/score";

  static std::int64_t least(const SpreadConstraint& constraint, const Counts& counts) {
    if (constraint.min_domains > static_cast<std::int64_t>(counts.size())) return 0;
    std::int64_t least = std::numeric_limits<std::int64_t>::max();
    for (const auto& [value, matching] : counts) least = std::min(least, matching);
    return counts.empty() ? 0 : least;
  }

  static void adjust(CycleState& state, const PodInfo& pod, const PodInfo& other, const NodeInfo& node,
                     int sign) {
    auto* hard = state.get<Hard>(kName);
    if (!hard || !has_every_key(hard->constraints, node)) return;
    for (std::size_t i = 0; i < hard->constraints.size(); ++i) {
      const auto& constraint = hard->constraints[i];
      if (!pod_counts(constraint, pod, other) || !node_counts(constraint, pod, node)) continue;
      hard->counts[i][node.label(constraint.topology_key)] += sign;
    }
  }

  // Topologies with many values weigh more: log(values + 2).
  static void add_constraint(Soft& soft, const SpreadConstraint& constraint, const PodInfo& pod,
                             const ClusterView& view, const std::vector<const NodeInfo*>& nodes) {
    const std::function<bool(const NodeInfo&)> included = [&soft](const NodeInfo& node) {
      return !soft.all_keys_required || has_every_key(soft.constraints, node);
    };
    soft.counts.push_back(count(constraint, pod, view, false, included));
    std::set<std::string> values;
    for (const auto* node : nodes) {
      if (node->has_label(constraint.topology_key)) values.insert(node->label(constraint.topology_key));
    }
    soft.weights.push_back(std::log(static_cast<double>(values.size()) + 2));
  }
};

}  // namespace

std::unique_ptr<Plugin> make_pod_topology_spread() {
  return std::make_unique<PodTopologySpread>();
}

}  // namespace mk::scheduler::plugins
