#include <algorithm>

#include "plugins/plugins.h"

namespace mk::scheduler::plugins {
namespace {

class NodePorts : public Plugin {
 public:
  std::string name() const override { return "NodePorts"; }

  Status pre_filter(CycleState&, const PodInfo& pod, const ClusterView&) override {
    return pod.ports.empty() ? Status::skip() : Status::success();
  }

  Status filter(const CycleState&, const PodInfo& pod, const NodeInfo& node) override {
    for (const auto& wanted : pod.ports) {
      const bool taken = std::any_of(node.ports.begin(), node.ports.end(),
                                     [&wanted](const HostPort& used) { return used.clashes(wanted); });
      if (taken) return Status::unschedulable("node(s) didn't have free ports for the requested pod ports");
    }
    return Status::success();
  }

  bool may_help(const ClusterEvent& event) const override {
    return event.kind == ClusterEvent::Kind::kNodeAdded || event.kind == ClusterEvent::Kind::kPodRemoved;
  }
};

}  // namespace

std::unique_ptr<Plugin> make_node_ports() {
  return std::make_unique<NodePorts>();
}

}  // namespace mk::scheduler::plugins
