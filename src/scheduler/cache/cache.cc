#include "cache/cache.h"

#include <algorithm>

namespace mk::scheduler {
namespace {
// After binding, the watch shows the pod within milliseconds; if it does not, the pod was deleted in between.
constexpr auto kPatience = std::chrono::minutes(15);
}  // namespace

void Cache::set_node(const api::Object& node) {
  auto& info = nodes_[std::string(node.name())];
  info.set_node(node);
  known_stale_ = true;
}

void Cache::remove_node(const std::string& name) {
  const auto found = nodes_.find(name);
  if (found == nodes_.end()) return;
  known_stale_ = affinity_stale_ = true;
  if (found->second.pods.empty()) {
    nodes_.erase(found);
  } else {
    found->second.clear_node();  // its pods are still to be deleted, one by one
  }
}

void Cache::set_pod(const PodPtr& pod) {
  displace(pod->uid);
  assumed_.erase(pod->uid);
  place(pod);
}

void Cache::remove_pod(const std::string& uid) {
  assumed_.erase(uid);
  displace(uid);
}

void Cache::assume(const PodPtr& pod) {
  displace(pod->uid);
  place(pod);
  assumed_[pod->uid] = std::nullopt;
}

void Cache::confirm_later(const std::string& uid) {
  const auto found = assumed_.find(uid);
  if (found != assumed_.end()) found->second = clock_.mono() + kPatience;
}

void Cache::forget(const std::string& uid) {
  if (assumed_.erase(uid) != 0) displace(uid);
}

std::vector<PodPtr> Cache::expire() {
  std::vector<PodPtr> expired;
  for (const auto& [uid, end] : assumed_) {
    if (end && *end <= clock_.mono()) expired.push_back(placed_.at(uid));
  }
  for (const auto& pod : expired) forget(pod->uid);
  return expired;
}

void Cache::place(const PodPtr& pod) {
  auto& node = nodes_[pod->node];
  node.name = pod->node;
  const auto before = node.with_affinity;
  node.add_pod(pod);
  if (before != node.with_affinity) affinity_stale_ = true;
  placed_[pod->uid] = pod;
  by_namespace_[pod->key.ns][pod->node].push_back(pod);
}

void Cache::displace(const std::string& uid) {
  const auto found = placed_.find(uid);
  if (found == placed_.end()) return;
  const auto pod = found->second;
  placed_.erase(found);

  auto& namespace_pods = by_namespace_[pod->key.ns];
  auto& there = namespace_pods[pod->node];
  std::erase_if(there, [&uid](const PodPtr& other) { return other->uid == uid; });
  if (there.empty()) namespace_pods.erase(pod->node);
  if (namespace_pods.empty()) by_namespace_.erase(pod->key.ns);

  const auto node = nodes_.find(pod->node);
  if (node == nodes_.end()) return;
  const auto before = node->second.with_affinity;
  node->second.remove_pod(uid);
  if (before != node->second.with_affinity) affinity_stale_ = true;
  if (!node->second.known && node->second.pods.empty()) {
    nodes_.erase(node);
    affinity_stale_ = true;
  }
}

const NodeInfo* Cache::node(const std::string& name) const {
  const auto found = nodes_.find(name);
  return found == nodes_.end() || !found->second.known ? nullptr : &found->second;
}

void Cache::refresh_lists() const {
  auto& nodes = const_cast<Cache*>(this)->nodes_;
  if (known_stale_) {
    known_.clear();
    for (auto& [name, node] : nodes) {
      if (node.known) known_.push_back(&node);
    }
  }
  if (known_stale_ || affinity_stale_) {
    with_affinity_.clear();
    for (auto* node : known_) {
      if (node->with_affinity > 0) with_affinity_.push_back(node);
    }
  }
  known_stale_ = affinity_stale_ = false;
}

const std::vector<NodeInfo*>& Cache::nodes() const {
  refresh_lists();
  return known_;
}

const std::vector<NodeInfo*>& Cache::nodes_with_affinity() const {
  refresh_lists();
  return with_affinity_;
}

const ClusterView::PodsByNode& Cache::pods_in_namespace(const std::string& ns) const {
  static const PodsByNode kNone;
  const auto found = by_namespace_.find(ns);
  return found == by_namespace_.end() ? kNone : found->second;
}

api::JsonObject Cache::namespace_labels(const std::string& ns) const {
  return namespace_labels_source ? namespace_labels_source(ns) : api::JsonObject();
}

std::vector<std::string> Cache::namespaces() const {
  std::vector<std::string> names;
  for (const auto& [ns, pods] : by_namespace_) names.push_back(ns);
  return names;
}

std::vector<api::LabelSelector> Cache::service_selectors(const PodInfo& pod) const {
  return service_selectors_source ? service_selectors_source(pod) : std::vector<api::LabelSelector>();
}

}  // namespace mk::scheduler
