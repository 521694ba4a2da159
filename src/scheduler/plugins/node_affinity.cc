#include "plugins/plugins.h"

namespace mk::scheduler::plugins {
namespace {

// spec.nodeSelector and spec.affinity.nodeAffinity.
class NodeAffinity : public Plugin {
 public:
  std::string name() const override { return "NodeAffinity"; }

  Status pre_filter(CycleState&, const PodInfo& pod, const ClusterView&) override {
    return pod.node_selector.empty() && !pod.required_nodes ? Status::skip() : Status::success();
  }

  Status filter(const CycleState&, const PodInfo& pod, const NodeInfo& node) override {
    const bool selected = api::LabelSelector::from_map(pod.node_selector).matches(node.labels);
    const bool required =
        !pod.required_nodes || any_term_matches(*pod.required_nodes, node.labels, node.name);
    if (selected && required) return Status::success();
    return Status::unresolvable("node(s) didn't match Pod's node affinity/selector");
  }

  std::int64_t weight() const override { return 2; }

  Status pre_score(CycleState&, const PodInfo& pod, const ClusterView&,
                   const std::vector<const NodeInfo*>&) override {
    return pod.preferred_nodes.empty() ? Status::skip() : Status::success();
  }

  std::int64_t score(const CycleState&, const PodInfo& pod, const NodeInfo& node) override {
    std::int64_t total = 0;
    for (const auto& [weight, term] : pod.preferred_nodes) {
      if (term.matches(node.labels, node.name)) total += weight;
    }
    return total;
  }

  void normalize(const CycleState&, std::vector<std::int64_t>& scores) override {
    normalize_to_max(scores, false);
  }

  bool may_help(const ClusterEvent& event) const override {
    return event.kind == ClusterEvent::Kind::kNodeAdded ||
           (event.kind == ClusterEvent::Kind::kNodeChanged && event.labels);
  }
};

}  // namespace

std::unique_ptr<Plugin> make_node_affinity() {
  return std::make_unique<NodeAffinity>();
}

}  // namespace mk::scheduler::plugins
