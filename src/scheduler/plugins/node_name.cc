#include "plugins/plugins.h"

namespace mk::scheduler::plugins {
namespace {

class NodeName : public Plugin {
 public:
  std::string name() const override { return "NodeName"; }

  Status filter(const CycleState&, const PodInfo& pod, const NodeInfo& node) override {
    if (pod.node.empty() || pod.node == node.name) return Status::success();
    return Status::unresolvable("node(s) didn't match the requested node name");
  }

  bool may_help(const ClusterEvent& event) const override {
    return event.kind == ClusterEvent::Kind::kNodeAdded;
  }
};

}  // namespace

std::unique_ptr<Plugin> make_node_name() {
  return std::make_unique<NodeName>();
}

}  // namespace mk::scheduler::plugins
