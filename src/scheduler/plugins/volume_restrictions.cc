#include <algorithm>
#include <set>

#include "plugins/plugins.h"
#include "volumes/book.h"

namespace mk::scheduler::plugins {
namespace {

constexpr char kName[] = "VolumeRestrictions";

bool uses(const PodInfo& pod, const std::string& claim) {
  return std::any_of(pod.claims.begin(), pod.claims.end(),
                     [&claim](const PodVolume& volume) { return volume.claim == claim; });
}

// A claim with the access mode ReadWriteOncePod has one pod at a time, anywhere.
class VolumeRestrictions : public Plugin {
 public:
  explicit VolumeRestrictions(VolumeBook& book) : book_(book) {}
  std::string name() const override { return kName; }

  Status pre_filter(CycleState& state, const PodInfo& pod, const ClusterView& view) override {
    std::set<std::string> single;
    for (const auto& volume : pod.claims) {
      const auto claim = book_.claim(api::Key(pod.key.ns, volume.claim));
      if (!claim) continue;
      const auto& modes = api::list(claim.json(), "spec.accessModes");
      if (std::find(modes.begin(), modes.end(), api::Json("ReadWriteOncePod")) != modes.end())
        single.insert(volume.claim);
    }
    if (single.empty()) return Status::skip();
    auto& kept = state.make<State>(kName);
    kept.single = std::move(single);
    for (const auto& [node, pods] : view.pods_in_namespace(pod.key.ns)) {
      for (const auto& other : pods) kept.uses += count(kept, pod, *other);
    }
    return Status::success();
  }

  Status filter(const CycleState& state, const PodInfo&, const NodeInfo&) override {
    const auto* kept = state.get<State>(kName);
    if (kept == nullptr || kept->uses == 0) return Status::success();
    return Status::unschedulable(
        "node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode");
  }

  void pod_added(CycleState& state, const PodInfo& pod, const PodInfo& other, const NodeInfo&) override {
    if (auto* kept = state.get<State>(kName)) kept->uses += count(*kept, pod, other);
  }
  void pod_removed(CycleState& state, const PodInfo& pod, const PodInfo& other, const NodeInfo&) override {
    if (auto* kept = state.get<State>(kName)) kept->uses -= count(*kept, pod, other);
  }

  bool may_help(const ClusterEvent& event) const override {
    return event.kind == ClusterEvent::Kind::kPodRemoved || event.kind == ClusterEvent::Kind::kVolumesChanged;
  }

 private:
  struct State {
    std::set<std::string> single;
    int uses = 0;
  };
  static int count(const State& state, const PodInfo& pod, const PodInfo& other) {
    if (other.key.ns != pod.key.ns || other.uid == pod.uid) return 0;
    return static_cast<int>(std::count_if(state.single.begin(), state.single.end(),
                                          [&other](const std::string& claim) { return uses(other, claim); }));
  }
  VolumeBook& book_;
};

}  // namespace

std::unique_ptr<Plugin> make_volume_restrictions(VolumeBook& book) {
  return std::make_unique<VolumeRestrictions>(book);
}

}  // namespace mk::scheduler::plugins
