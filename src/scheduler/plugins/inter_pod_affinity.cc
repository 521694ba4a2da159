#include <algorithm>

#include "plugins/plugins.h"

namespace mk::scheduler::plugins {
namespace {

constexpr char kName[] = "InterPodAffinity";
constexpr char kScoreState[] = "InterPodAffinity/score";

using Place = std::pair<std::string, std::string>;  // topology key and value
using Counts = std::map<Place, std::int64_t>;

struct State {
  Counts refused;                // places that terms of running pods forbid to this pod
  std::vector<Counts> wanted;    // per required affinity term: pods it selects, by place
  std::vector<Counts> unwanted;  // per required anti-affinity term
  api::JsonObject ns_labels;     // of the pod's own namespace
};

struct Score {
  Counts weights;
};

bool selects(const PodAffinityTerm& term, const PodInfo& other, const ClusterView& view) {
  if (!term.namespace_selector) return term.selects(other.key.ns, {}, other.labels);
  return term.selects(other.key.ns, view.namespace_labels(other.key.ns), other.labels);
}

// Namespaces whose pods a term may select: a walk over those, not over the cluster.
std::vector<std::string> namespaces_of(const PodAffinityTerm& term, const ClusterView& view) {
  if (!term.namespace_selector) return {term.namespaces.begin(), term.namespaces.end()};
  std::vector<std::string> names;
  for (const auto& ns : view.namespaces()) {
    if (term.namespaces.count(ns) || term.namespace_selector->matches(view.namespace_labels(ns)))
      names.push_back(ns);
  }
  return names;
}

std::unordered_map<std::string, const NodeInfo*> nodes_by_name(const ClusterView& view) {
  std::unordered_map<std::string, const NodeInfo*> nodes;
  for (const auto* node : view.nodes()) nodes.emplace(node->name, node);
  return nodes;
}

Counts count_selected(const PodAffinityTerm& term, const ClusterView& view,
                      const std::unordered_map<std::string, const NodeInfo*>& nodes) {
  Counts counts;
  for (const auto& ns : namespaces_of(term, view)) {
    for (const auto& [node_name, pods] : view.pods_in_namespace(ns)) {
      const auto node = nodes.find(node_name);
      if (node == nodes.end() || !node->second->has_label(term.topology_key)) continue;
      const auto matching = std::count_if(pods.begin(), pods.end(), [&term](const PodPtr& pod) {
        return term.selector.matches(pod->labels);
      });
      if (matching > 0) counts[{term.topology_key, node->second->label(term.topology_key)}] += matching;
    }
  }
  return counts;
}

std::int64_t at(const Counts& counts, const PodAffinityTerm& term, const NodeInfo& node) {
  const auto found = counts.find({term.topology_key, node.label(term.topology_key)});
  return found == counts.end() ? 0 : found->second;
}

class InterPodAffinity : public Plugin {
 public:
  std::string name() const override { return kName; }

  Status pre_filter(CycleState& state, const PodInfo& pod, const ClusterView& view) override {
    State made;
    made.ns_labels = view.namespace_labels(pod.key.ns);
    for (const auto* node : view.nodes_with_affinity()) {
      for (const auto& other : node->pods) count_refusals(made, pod, *other, *node, 1);
    }
    if (!pod.required_affinity.empty() || !pod.required_anti.empty()) {
      const auto nodes = nodes_by_name(view);
      for (const auto& term : pod.required_affinity) made.wanted.push_back(count_selected(term, view, nodes));
      for (const auto& term : pod.required_anti) made.unwanted.push_back(count_selected(term, view, nodes));
    } else if (made.refused.empty()) {
      return Status::skip();
    }
    state.make<State>(kName) = std::move(made);
    return Status::success();
  }

  Status filter(const CycleState& cycle, const PodInfo& pod, const NodeInfo& node) override {
    const auto* state = cycle.get<State>(kName);
    if (!state) return Status::success();
    if (!affinity_holds(*state, pod, node))
      return Status::unresolvable("node(s) didn't match pod affinity rules");
    for (std::size_t i = 0; i < pod.required_anti.size(); ++i) {
      if (node.has_label(pod.required_anti[i].topology_key) &&
          at(state->unwanted[i], pod.required_anti[i], node) > 0) {
        return Status::unschedulable("node(s) didn't match pod anti-affinity rules");
      }
    }
    for (const auto& [place, pods] : state->refused) {
      if (pods > 0 && node.has_label(place.first) && node.label(place.first) == place.second) {
        return Status::unschedulable("node(s) didn't satisfy existing pods anti-affinity rules");
      }
    }
    return Status::success();
  }

  void pod_added(CycleState& cycle, const PodInfo& pod, const PodInfo& other, const NodeInfo& node) override {
    adjust(cycle, pod, other, node, 1);
  }
  void pod_removed(CycleState& cycle, const PodInfo& pod, const PodInfo& other,
                   const NodeInfo& node) override {
    adjust(cycle, pod, other, node, -1);
  }

  std::int64_t weight() const override { return 2; }

  Status pre_score(CycleState& cycle, const PodInfo& pod, const ClusterView& view,
                   const std::vector<const NodeInfo*>&) override {
    Score score;
    if (!pod.preferred_affinity.empty() || !pod.preferred_anti.empty()) {
      const auto nodes = nodes_by_name(view);
      for (const auto& term : pod.preferred_affinity)
        add_weighted(score, count_selected(term, view, nodes), term.weight);
      for (const auto& term : pod.preferred_anti)
        add_weighted(score, count_selected(term, view, nodes), -term.weight);
    }
    for (const auto* node : view.nodes_with_affinity()) {
      for (const auto& other : node->pods) add_opinions(score, pod, *other, *node, view);
    }
    if (score.weights.empty()) return Status::skip();
    cycle.make<Score>(kScoreState) = std::move(score);
    return Status::success();
  }

  std::int64_t score(const CycleState& cycle, const PodInfo&, const NodeInfo& node) override {
    std::int64_t total = 0;
    for (const auto& [place, weight] : cycle.get<Score>(kScoreState)->weights) {
      if (node.has_label(place.first) && node.label(place.first) == place.second) total += weight;
    }
    return total;
  }

  void normalize(const CycleState&, std::vector<std::int64_t>& scores) override {
    const auto [least, most] = std::minmax_element(scores.begin(), scores.end());
    if (scores.empty()) return;
    const auto low = *least, span = *most - *least;
    for (auto& score : scores) score = span == 0 ? 0 : kMaxScore * (score - low) / span;
  }

  bool may_help(const ClusterEvent& event) const override {
    using Kind = ClusterEvent::Kind;
    return event.kind != Kind::kOther && event.kind != Kind::kPodUnassignedChanged &&
           (event.kind != Kind::kNodeChanged || event.labels);
  }

 private:
  // The first pod of a group that wants to be near itself has nobody to be near yet.
  static bool first_of_its_kind(const State& state, const PodInfo& pod) {
    for (std::size_t i = 0; i < pod.required_affinity.size(); ++i) {
      if (!state.wanted[i].empty()) return false;
      if (!pod.required_affinity[i].selects(pod.key.ns, state.ns_labels, pod.labels)) return false;
    }
    return true;
  }

  static bool affinity_holds(const State& state, const PodInfo& pod, const NodeInfo& node) {
    bool every = true;
    for (std::size_t i = 0; i < pod.required_affinity.size(); ++i) {
      const auto& term = pod.required_affinity[i];
      if (!node.has_label(term.topology_key)) return false;
      if (at(state.wanted[i], term, node) <= 0) every = false;
    }
    return every || first_of_its_kind(state, pod);
  }

  static void count_refusals(State& state, const PodInfo& pod, const PodInfo& other, const NodeInfo& node,
                             int sign) {
    for (const auto& term : other.required_anti) {
      if (!node.has_label(term.topology_key) || !term.selects(pod.key.ns, state.ns_labels, pod.labels))
        continue;
      state.refused[{term.topology_key, node.label(term.topology_key)}] += sign;
    }
  }

  static void adjust(CycleState& cycle, const PodInfo& pod, const PodInfo& other, const NodeInfo& node,
                     int sign) {
    auto* state = cycle.get<State>(kName);
    if (!state) return;
    count_refusals(*state, pod, other, node, sign);
    const auto count = [&](const std::vector<PodAffinityTerm>& terms, std::vector<Counts>& counts) {
      for (std::size_t i = 0; i < terms.size(); ++i) {
        // Namespaces by selector are known for the pod's own namespace only; preemption's what-if is as
        // exact.
        if (!node.has_label(terms[i].topology_key)) continue;
        if (!terms[i].selects(other.key.ns, other.key.ns == pod.key.ns ? state->ns_labels : api::JsonObject(),
                              other.labels)) {
          continue;
        }
        const Place place{terms[i].topology_key, node.label(terms[i].topology_key)};
        if ((counts[i][place] += sign) == 0) counts[i].erase(place);
      }
    };
    count(pod.required_affinity, state->wanted);
    count(pod.required_anti, state->unwanted);
  }

  static void add_weighted(Score& score, const Counts& counts, std::int64_t weight) {
    for (const auto& [place, pods] : counts) score.weights[place] += pods * weight;
  }

  // What running pods think of this one: their preferences, and their requirements as a preference of
  // weight 1.
  static void add_opinions(Score& score, const PodInfo& pod, const PodInfo& other, const NodeInfo& node,
                           const ClusterView& view) {
    const auto add = [&](const std::vector<PodAffinityTerm>& terms, int sign, bool required) {
      for (const auto& term : terms) {
        if (!node.has_label(term.topology_key) || !selects(term, pod, view)) continue;
        score.weights[{term.topology_key, node.label(term.topology_key)}] +=
            sign * (required ? 1 : term.weight);
      }
    };
    add(other.required_affinity, 1, true);
    add(other.preferred_affinity, 1, false);
    add(other.preferred_anti, -1, false);
  }
};

}  // namespace

std::unique_ptr<Plugin> make_inter_pod_affinity() {
  return std::make_unique<InterPodAffinity>();
}

}  // namespace mk::scheduler::plugins
