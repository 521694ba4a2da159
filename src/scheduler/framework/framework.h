#pragma once

#include <any>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "framework/types.h"
#include "mk/base/result.h"
#include "mk/rt/task.h"

namespace mk::scheduler {

// A plugin's answer. Unresolvable: no eviction of pods would change it.
struct Status {
  enum class Code { kSuccess, kSkip, kUnschedulable, kUnresolvable };
  Code code = Code::kSuccess;
  std::vector<std::string> reasons;

  bool ok() const { return code == Code::kSuccess; }
  static Status success() { return {}; }
  static Status skip() { return {Code::kSkip, {}}; }
  static Status unschedulable(std::string reason) { return {Code::kUnschedulable, {std::move(reason)}}; }
  static Status unresolvable(std::string reason) { return {Code::kUnresolvable, {std::move(reason)}}; }
};

// The cluster as plugins see it while one pod is scheduled. Nothing changes meanwhile: scheduling one pod
// does not await anything, so no snapshot is taken.
class ClusterView {
 public:
  virtual ~ClusterView() = default;
  virtual const std::vector<NodeInfo*>& nodes() const = 0;  // known nodes, in zone-spread order
  virtual const std::vector<NodeInfo*>& nodes_with_affinity() const = 0;
  // Pods of a namespace that are on a node, by node.
  using PodsByNode = std::unordered_map<std::string, std::vector<PodPtr>>;
  virtual const PodsByNode& pods_in_namespace(const std::string& ns) const = 0;
  virtual api::JsonObject namespace_labels(const std::string& ns) const = 0;
  virtual std::vector<std::string> namespaces() const = 0;
  // Selectors of the services that select the pod, for default spreading.
  virtual std::vector<api::LabelSelector> service_selectors(const PodInfo& pod) const = 0;
};

// What plugins remember of one pod between their calls.
class CycleState {
 public:
  template <class T>
  T& make(const std::string& plugin) {
    auto& slot = slots_[plugin];
    slot = T();
    return *std::any_cast<T>(&slot);
  }
  template <class T>
  T* get(const std::string& plugin) {
    const auto found = slots_.find(plugin);
    return found == slots_.end() ? nullptr : std::any_cast<T>(&found->second);
  }
  template <class T>
  const T* get(const std::string& plugin) const {
    return const_cast<CycleState*>(this)->get<T>(plugin);
  }

 private:
  std::map<std::string, std::any> slots_;  // copied as a whole for preemption's what-if
};

// What happened in the cluster, for deciding which waiting pods might fit now.
struct ClusterEvent {
  enum class Kind {
    kNodeAdded,
    kNodeChanged,
    kPodAdded,
    kPodChanged,
    kPodRemoved,
    kPodUnassignedChanged,
    kVolumesChanged,  // a claim, a volume or a storage class
    kOther
  };
  Kind kind = Kind::kOther;
  bool labels = false, taints = false, allocatable = false;  // of a changed node
};

// One scheduling plugin: it overrides the extension points it has an opinion at.
class Plugin {
 public:
  virtual ~Plugin() = default;
  virtual std::string name() const = 0;

  // Skip: the plugin has nothing to say about this pod's nodes, filter() is not called.
  virtual Status pre_filter(CycleState&, const PodInfo&, const ClusterView&) { return Status::success(); }
  virtual Status filter(const CycleState&, const PodInfo&, const NodeInfo&) { return Status::success(); }
  // What-if of preemption: the state as if `other` were on the node (or not any more).
  virtual void pod_added(CycleState&, const PodInfo&, const PodInfo& /*other*/, const NodeInfo&) {}
  virtual void pod_removed(CycleState&, const PodInfo&, const PodInfo& /*other*/, const NodeInfo&) {}

  // 0: does not score.
  virtual std::int64_t weight() const { return 0; }
  virtual Status pre_score(CycleState&, const PodInfo&, const ClusterView&,
                           const std::vector<const NodeInfo*>&) {
    return Status::success();
  }
  virtual std::int64_t score(const CycleState&, const PodInfo&, const NodeInfo&) { return 0; }
  virtual void normalize(const CycleState&, std::vector<std::int64_t>&) {}

  // A node was chosen: takes for the pod what no other may have meanwhile; a refusal sends the pod back.
  virtual Status reserve(const PodInfo&, const NodeInfo&) { return Status::success(); }
  // Gives it back, by the pod's uid; also when the pod is bound or gone, and when nothing was taken.
  virtual void unreserve(const std::string&) {}
  // Is there something to be written before the pod is bound? pre_bind() may wait long; an error sends the
  // pod back.
  virtual bool has_pre_bind(const PodInfo&) const { return false; }
  virtual rt::Task<Result<void>> pre_bind(PodPtr) { co_return ok(); }

  // Might this event make a pod fit that this plugin has refused?
  virtual bool may_help(const ClusterEvent& event) const = 0;
};

inline constexpr std::int64_t kMaxScore = 100;
// Scales scores so that the highest becomes kMaxScore; `reverse`: the lowest is best.
void normalize_to_max(std::vector<std::int64_t>& scores, bool reverse);

using Plugins = std::vector<std::unique_ptr<Plugin>>;
class VolumeBook;
// Without a book pods' claims are not looked at.
Plugins default_plugins(VolumeBook* book = nullptr);

// A node's refusal, as the diagnosis of a pod that fits nowhere.
struct Refusal {
  Status status;
  std::string plugin;
};

// The plugins that have an opinion about one pod, with their state.
class Cycle {
 public:
  Cycle(Plugins& plugins, const ClusterView& view, PodPtr pod);

  const Status& pre_filter_status() const { return pre_filter_status_; }
  const std::string& pre_filter_plugin() const { return pre_filter_plugin_; }
  Refusal filter(const NodeInfo& node) const;  // status ok: fits
  std::vector<std::int64_t> scores(const std::vector<const NodeInfo*>& nodes);

  void add_pod(const PodInfo& other, const NodeInfo& node);
  void remove_pod(const PodInfo& other, const NodeInfo& node);
  const PodPtr& pod() const { return pod_; }

 private:
  const ClusterView* view_;
  PodPtr pod_;
  std::vector<Plugin*> all_, filters_;
  CycleState state_;
  Status pre_filter_status_;
  std::string pre_filter_plugin_;
};

}  // namespace mk::scheduler
