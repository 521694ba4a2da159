#include <cmath>

#include "plugins/plugins.h"

namespace mk::scheduler::plugins {
namespace {

// Every request fits into what the node has left. Scores by the share that stays free (LeastAllocated).
class NodeResourcesFit : public Plugin {
 public:
  std::string name() const override { return "NodeResourcesFit"; }

  Status filter(const CycleState&, const PodInfo& pod, const NodeInfo& node) override {
    Status status;
    // Asked for more than the whole node has: no eviction helps.
    const auto check = [&](std::int64_t asked, std::int64_t used, std::int64_t total,
                           const std::string& resource) {
      if (asked == 0 || asked <= total - used) return;
      if (status.ok()) status.code = Status::Code::kUnschedulable;
      if (asked > total) status.code = Status::Code::kUnresolvable;
      status.reasons.push_back("Insufficient " + resource);
    };
    if (node.requested.pods + 1 > node.allocatable.pods) {
      status = Status::unschedulable("Too many pods");
    }
    const auto& asked = pod.requests;
    check(asked.milli_cpu, node.requested.milli_cpu, node.allocatable.milli_cpu, "cpu");
    check(asked.memory, node.requested.memory, node.allocatable.memory, "memory");
    check(asked.ephemeral, node.requested.ephemeral, node.allocatable.ephemeral, "ephemeral-storage");
    for (const auto& [resource, amount] : asked.extended) {
      check(amount, amount_of(node.requested, resource), amount_of(node.allocatable, resource), resource);
    }
    return status;
  }

  std::int64_t weight() const override { return 1; }

  std::int64_t score(const CycleState&, const PodInfo& pod, const NodeInfo& node) override {
    const auto cpu = free_share(node.scored.milli_cpu + pod.scored.milli_cpu, node.allocatable.milli_cpu);
    const auto memory = free_share(node.scored.memory + pod.scored.memory, node.allocatable.memory);
    return (cpu + memory) / 2;
  }

  bool may_help(const ClusterEvent& event) const override {
    using Kind = ClusterEvent::Kind;
    return event.kind == Kind::kNodeAdded || event.kind == Kind::kPodRemoved ||
           event.kind == Kind::kPodChanged || (event.kind == Kind::kNodeChanged && event.allocatable);
  }

 private:
  static std::int64_t amount_of(const Resources& resources, const std::string& name) {
    const auto found = resources.extended.find(name);
    return found == resources.extended.end() ? 0 : found->second;
  }

  static std::int64_t free_share(std::int64_t used, std::int64_t total) {
    return total <= 0 || used > total ? 0 : (total - used) * kMaxScore / total;
  }
};

// Prefers nodes on which cpu and memory would be used up alike.
class BalancedAllocation : public Plugin {
 public:
  std::string name() const override { return "NodeResourcesBalancedAllocation"; }
  std::int64_t weight() const override { return 1; }

  Status pre_filter(CycleState&, const PodInfo&, const ClusterView&) override { return Status::skip(); }

  // A pod that asks for nothing does not change any balance.
  Status pre_score(CycleState&, const PodInfo& pod, const ClusterView&,
                   const std::vector<const NodeInfo*>&) override {
    return pod.requests.milli_cpu == 0 && pod.requests.memory == 0 ? Status::skip() : Status::success();
  }

  std::int64_t score(const CycleState&, const PodInfo& pod, const NodeInfo& node) override {
    const auto share = [](std::int64_t used, std::int64_t total) {
      return total <= 0 ? 1.0 : std::min(1.0, static_cast<double>(used) / static_cast<double>(total));
    };
    const auto cpu = share(node.requested.milli_cpu + pod.requests.milli_cpu, node.allocatable.milli_cpu);
    const auto memory = share(node.requested.memory + pod.requests.memory, node.allocatable.memory);
    const auto deviation = std::abs(cpu - memory) / 2;  // the standard deviation of two shares
    return static_cast<std::int64_t>((1 - deviation) * static_cast<double>(kMaxScore));
  }

  bool may_help(const ClusterEvent&) const override { return false; }
};

}  // namespace

std::unique_ptr<Plugin> make_node_resources_fit() {
  return std::make_unique<NodeResourcesFit>();
}
std::unique_ptr<Plugin> make_balanced_allocation() {
  return std::make_unique<BalancedAllocation>();
}

}  // namespace mk::scheduler::plugins
