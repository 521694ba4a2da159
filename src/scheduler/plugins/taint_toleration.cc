#include <fmt/format.h>

#include <algorithm>

#include "plugins/plugins.h"

namespace mk::scheduler::plugins {
namespace {

class TaintToleration : public Plugin {
 public:
  std::string name() const override { return "TaintToleration"; }

  Status filter(const CycleState&, const PodInfo& pod, const NodeInfo& node) override {
    for (const auto& taint : node.taints) {
      if (taint.effect == "PreferNoSchedule" || tolerates(pod.tolerations, taint)) continue;
      return Status::unresolvable(
          fmt::format("node(s) had untolerated taint {{{}: {}}}", taint.key, taint.value));
    }
    return Status::success();
  }

  std::int64_t weight() const override { return 3; }

  // The number of PreferNoSchedule taints that the pod does not tolerate; fewer is better.
  std::int64_t score(const CycleState&, const PodInfo& pod, const NodeInfo& node) override {
    return std::count_if(node.taints.begin(), node.taints.end(), [&pod](const Taint& taint) {
      return taint.effect == "PreferNoSchedule" && !tolerates(pod.tolerations, taint);
    });
  }

  void normalize(const CycleState&, std::vector<std::int64_t>& scores) override {
    normalize_to_max(scores, true);
  }

  bool may_help(const ClusterEvent& event) const override {
    return event.kind == ClusterEvent::Kind::kNodeAdded ||
           (event.kind == ClusterEvent::Kind::kNodeChanged && event.taints);
  }
};

}  // namespace

std::unique_ptr<Plugin> make_taint_toleration() {
  return std::make_unique<TaintToleration>();
}

}  // namespace mk::scheduler::plugins
