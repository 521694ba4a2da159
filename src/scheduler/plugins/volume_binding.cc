#include "plugins/plugins.h"
#include "volumes/book.h"

namespace mk::scheduler::plugins {
namespace {

constexpr char kName[] = "VolumeBinding";

// Where a pod's volumes are, or can be.
class VolumeBinding : public Plugin {
 public:
  explicit VolumeBinding(VolumeBook& book) : book_(book) {}
  std::string name() const override { return kName; }

  Status pre_filter(CycleState& state, const PodInfo& pod, const ClusterView&) override {
    if (pod.claims.empty()) return Status::skip();
    return book_.read(pod, state.make<PodClaims>(kName));
  }

  Status filter(const CycleState& state, const PodInfo&, const NodeInfo& node) override {
    const auto* claims = state.get<PodClaims>(kName);
    if (claims == nullptr) return Status::success();
    if (claims->volume_missing)
      return Status::unresolvable(
          "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)");
    for (const auto& [volume, terms] : claims->bound) {
      if (!terms.empty() && !api::any_term_matches(terms, node.labels, node.name))
        return Status::unresolvable("node(s) didn't match PersistentVolume's node affinity");
    }
    std::vector<ClaimChoice> choices;
    return VolumeBook::choose(*claims, node, choices);
  }

  // Decides anew, for the one node, as the cycle's state is gone: nothing has happened in between.
  Status reserve(const PodInfo& pod, const NodeInfo& node) override {
    if (pod.claims.empty()) return Status::success();
    PodClaims claims;
    auto status = book_.read(pod, claims);
    if (!status.ok() || claims.open.empty()) return status;
    std::vector<ClaimChoice> choices;
    status = VolumeBook::choose(claims, node, choices);
    if (status.ok()) book_.promise(pod, node.name, std::move(choices));
    return status;
  }

  void unreserve(const std::string& uid) override { book_.release(uid); }
  bool has_pre_bind(const PodInfo& pod) const override { return book_.promised(pod.uid); }
  rt::Task<Result<void>> pre_bind(PodPtr pod) override {
    auto done = co_await book_.carry_out(std::move(pod));
    if (!done.ok()) co_return std::move(done).error().wrap("binding volumes");
    co_return ok();
  }

  bool may_help(const ClusterEvent& event) const override {
    return event.kind == ClusterEvent::Kind::kNodeAdded ||
           event.kind == ClusterEvent::Kind::kVolumesChanged ||
           (event.kind == ClusterEvent::Kind::kNodeChanged && event.labels);
  }

 private:
  VolumeBook& book_;
};

}  // namespace

std::unique_ptr<Plugin> make_volume_binding(VolumeBook& book) {
  return std::make_unique<VolumeBinding>(book);
}

}  // namespace mk::scheduler::plugins
