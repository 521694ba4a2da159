#include <algorithm>

#include "plugins/plugins.h"

namespace mk::scheduler::plugins {
namespace {

// Prefers nodes that have the pod's images already, weighed by size.
class ImageLocality : public Plugin {
 public:
  std::string name() const override { return "ImageLocality"; }
  std::int64_t weight() const override { return 1; }

  Status pre_filter(CycleState&, const PodInfo&, const ClusterView&) override { return Status::skip(); }

  std::int64_t score(const CycleState&, const PodInfo& pod, const NodeInfo& node) override {
    constexpr std::int64_t kLeast = 23LL << 20;  // not worth a thought
    const std::int64_t most = (1000LL << 20) * static_cast<std::int64_t>(pod.containers);
    std::int64_t present = 0;
    for (const auto& image : pod.images) {
      const auto found = node.images.find(image);
      if (found != node.images.end()) present += found->second;
    }
    present = std::clamp(present, kLeast, std::max(most, kLeast));
    return most <= kLeast ? 0 : kMaxScore * (present - kLeast) / (most - kLeast);
  }

  bool may_help(const ClusterEvent&) const override { return false; }
};

}  // namespace

std::unique_ptr<Plugin> make_image_locality() {
  return std::make_unique<ImageLocality>();
}

}  // namespace mk::scheduler::plugins
