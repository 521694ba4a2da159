#include "garbagecollector/graph.h"

#include <algorithm>

namespace mk::controller::gc {

Node node_of(const api::ResourceInfo& resource, const api::Json& object) {
  Node node;
  node.resource = &resource;
  node.key = api::Key(std::string(api::str(object, "metadata.namespace")),
                      std::string(api::str(object, "metadata.name")));
  node.uid = api::str(object, "metadata.uid");
  node.deleting = api::find(object, "metadata.deletionTimestamp") != nullptr;
  for (const auto& finalizer : api::list(object, "metadata.finalizers")) {
    if (!finalizer.is_string()) continue;
    if (finalizer.get_string() == "foregroundDeletion") node.foreground = true;
    if (finalizer.get_string() == "orphan") node.orphan = true;
  }
  for (const auto& reference : api::list(object, "metadata.ownerReferences")) {
    Owner owner;
    owner.uid = api::str(reference, "uid");
    owner.api_version = api::str(reference, "apiVersion");
    owner.kind = api::str(reference, "kind");
    owner.name = api::str(reference, "name");
    owner.blocks = api::flag(reference, "blockOwnerDeletion");
    node.owners.push_back(std::move(owner));
  }
  return node;
}

void Graph::unlink(const Node& node) {
  for (const auto& owner : node.owners) {
    const auto found = dependents_.find(owner.uid);
    if (found == dependents_.end()) continue;
    found->second.erase(node.uid);
    if (found->second.empty()) dependents_.erase(found);
  }
}

std::vector<std::string> Graph::put(Node node) {
  std::vector<std::string> concerned;
  const auto present = nodes_.find(node.uid);
  const bool fresh = present == nodes_.end();
  if (!fresh) {
    // Owners that wait for this dependent may be free now.
    if (present->second.owners != node.owners) {
      for (const auto& owner : present->second.owners) concerned.push_back(owner.uid);
    }
    unlink(present->second);
  }
  const bool owners_changed = fresh || present->second.owners != node.owners;
  if ((owners_changed && !node.owners.empty()) || node.deleting) concerned.push_back(node.uid);
  for (const auto& owner : node.owners) dependents_[owner.uid].insert(node.uid);
  const auto uid = node.uid;
  nodes_[uid] = std::move(node);
  return concerned;
}

std::vector<std::string> Graph::remove(const std::string& uid) {
  const auto found = nodes_.find(uid);
  if (found == nodes_.end()) return {};
  auto concerned = dependents(uid);
  for (const auto& owner : found->second.owners) concerned.push_back(owner.uid);
  unlink(found->second);
  nodes_.erase(found);
  return concerned;
}

const Node* Graph::find(const std::string& uid) const {
  const auto found = nodes_.find(uid);
  return found == nodes_.end() ? nullptr : &found->second;
}

std::vector<std::string> Graph::dependents(const std::string& uid) const {
  const auto found = dependents_.find(uid);
  if (found == dependents_.end()) return {};
  return {found->second.begin(), found->second.end()};
}

bool Graph::blocked(const std::string& uid) const {
  for (const auto& dependent : dependents(uid)) {
    const auto* node = find(dependent);
    if (!node) continue;
    const bool blocks = std::any_of(node->owners.begin(), node->owners.end(),
                                    [&uid](const Owner& owner) { return owner.uid == uid && owner.blocks; });
    if (blocks) return true;
  }
  return false;
}

Verdict judge(const Owners& owners, bool has_dependents) {
  if (owners.solid > 0) return owners.waiting + owners.absent > 0 ? Verdict::kDropReferences : Verdict::kKeep;
  if (owners.waiting > 0 && has_dependents) return Verdict::kDeleteForeground;
  return owners.waiting + owners.absent > 0 ? Verdict::kDelete : Verdict::kKeep;
}

}  // namespace mk::controller::gc
