#include "resources/resource_table.h"

#include <algorithm>

namespace mk::apiserver {

ResourceRef ResourceTable::find(const api::Gvr& gvr) const {
  if (const auto* builtin = api::find_builtin(gvr)) return builtin;
  const auto found = added_.find(gvr);
  return found == added_.end() ? ResourceRef() : ResourceRef(found->second);
}

void ResourceTable::set(const std::string& owner, Added resources) {
  ++generation_;
  for (const auto& resource : std::exchange(owners_[owner], {})) added_.erase(resource->gvr);
  for (const auto& resource : resources) added_[resource->gvr] = resource;
  if (resources.empty()) {
    owners_.erase(owner);
  } else {
    owners_[owner] = std::move(resources);
  }
  in_order_.clear();
  for (const auto& [gvr, resource] : added_) in_order_.push_back(resource);
  std::stable_sort(in_order_.begin(), in_order_.end(), [](const auto& left, const auto& right) {
    if (left->gvr.group != right->gvr.group) return left->gvr.group < right->gvr.group;
    return api::preferred_version(left->gvr.version, right->gvr.version);
  });
}

const ResourceTable::Added& ResourceTable::of(const std::string& owner) const {
  static const Added kNone;
  const auto found = owners_.find(owner);
  return found == owners_.end() ? kNone : found->second;
}

void ResourceTable::for_each(const std::function<void(const api::ResourceInfo&)>& visit) const {
  for (const auto& resource : api::builtin_resources()) visit(resource);
  for (const auto& resource : in_order_) visit(*resource);
}

}  // namespace mk::apiserver
