#include "plugins/plugins.h"

namespace mk::scheduler::plugins {
namespace {

// Cordoned nodes take only pods that tolerate it.
class NodeUnschedulable : public Plugin {
 public:
  std::string name() const override { return "NodeUnschedulable"; }

  Status filter(const CycleState&, const PodInfo& pod, const NodeInfo& node) override {
    if (!node.unschedulable) return Status::success();
    const Taint taint{"node.kubernetes.io/unschedulable", "", "NoSchedule"};
    if (tolerates(pod.tolerations, taint)) return Status::success();
    return Status::unresolvable("node(s) were unschedulable");
  }

  bool may_help(const ClusterEvent& event) const override {
    return event.kind == ClusterEvent::Kind::kNodeAdded ||
           (event.kind == ClusterEvent::Kind::kNodeChanged && event.taints);
  }
};

}  // namespace

std::unique_ptr<Plugin> make_node_unschedulable() {
  return std::make_unique<NodeUnschedulable>();
}

}  // namespace mk::scheduler::plugins
