#pragma once

#include <map>
#include <unordered_map>

#include "framework/framework.h"

namespace mk::scheduler {

// What runs where: nodes with the pods on them, kept up to date change by change. Pods that the scheduler has
// just placed are assumed to be there until the watch says so or the assumption expires.
class Cache : public ClusterView {
 public:
  explicit Cache(rt::Clock& clock) : clock_(clock) {}

  void set_node(const api::Object& node);
  void remove_node(const std::string& name);
  // A pod with a node, as the watch shows it (also when it changed or was assumed before).
  void set_pod(const PodPtr& pod);
  void remove_pod(const std::string& uid);

  void assume(const PodPtr& pod);              // pod->node names the node
  void confirm_later(const std::string& uid);  // bound: expires unless the watch shows it in time
  void forget(const std::string& uid);
  bool assumed(const std::string& uid) const { return assumed_.count(uid) != 0; }
  // Drops assumptions whose time is over and says which.
  std::vector<PodPtr> expire();

  const NodeInfo* node(const std::string& name) const;
  std::size_t pods() const { return placed_.size(); }

  // ClusterView
  const std::vector<NodeInfo*>& nodes() const override;
  const std::vector<NodeInfo*>& nodes_with_affinity() const override;
  const PodsByNode& pods_in_namespace(const std::string& ns) const override;
  api::JsonObject namespace_labels(const std::string& ns) const override;
  std::vector<std::string> namespaces() const override;
  std::vector<api::LabelSelector> service_selectors(const PodInfo& pod) const override;

  // Where the cache looks up what it does not keep itself.
  std::function<api::JsonObject(const std::string&)> namespace_labels_source;
  std::function<std::vector<api::LabelSelector>(const PodInfo&)> service_selectors_source;

 private:
  void place(const PodPtr& pod);
  void displace(const std::string& uid);
  void refresh_lists() const;

  rt::Clock& clock_;
  std::map<std::string, NodeInfo> nodes_;
  std::unordered_map<std::string, PodPtr> placed_;  // by uid
  std::unordered_map<std::string, PodsByNode> by_namespace_;
  std::unordered_map<std::string, std::optional<rt::MonoTime>> assumed_;  // by uid, with the end of patience
  mutable std::vector<NodeInfo*> known_, with_affinity_;
  mutable bool known_stale_ = true, affinity_stale_ = true;
};

}  // namespace mk::scheduler
