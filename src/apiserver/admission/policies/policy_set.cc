#include "admission/policies/policy_set.h"

namespace mk::apiserver {

PolicySet::PolicySet(Cacher& cacher, const ResourceTable& table, api::Gvr policies, api::Gvr bindings)
    : cacher_(cacher), table_(table), policies_gvr_(std::move(policies)), bindings_gvr_(std::move(bindings)) {
  // Definitions add and take away versions of resources.
  const api::Gvr definitions{"apiextensions.k8s.io", "v1", "customresourcedefinitions"};
  for (const auto& gvr : {policies_gvr_, bindings_gvr_, definitions})
    cacher_.resource(gvr).on_change([this](const CacheEvent&) { stale_ = true; });
}

void PolicySet::rebuild() {
  stale_ = false;
  by_resource_.clear();
  bound_.clear();
  std::map<std::string, std::vector<PolicyBinding>> bindings;
  cacher_.resource(bindings_gvr_).for_each("", [&](const api::Object& object) {
    PolicyBinding binding(object);
    bindings[binding.policy].push_back(std::move(binding));
    return true;
  });
  std::map<std::string, std::shared_ptr<const Policy>> compiled;
  cacher_.resource(policies_gvr_).for_each("", [&](const api::Object& object) {
    const std::string name(object.name());
    const auto found = bindings.find(name);
    if (found == bindings.end()) return true;
    auto known = compiled_.find(name);
    const bool current = known != compiled_.end() && known->second->generation == object.generation() &&
                         known->second->uid == object.uid();
    auto policy = current ? known->second : std::make_shared<const Policy>(object);
    compiled.emplace(name, policy);
    bound_.push_back({std::move(policy), std::move(found->second)});
    return true;
  });
  compiled_ = std::move(compiled);
}

const std::vector<const BoundPolicy*>& PolicySet::about(const api::ResourceInfo& resource,
                                                        const std::string& subresource) {
  static const std::vector<const BoundPolicy*> none;
  if (stale_) rebuild();
  if (bound_.empty()) return none;
  const auto key = resource.gvr.api_version() + "/" + resource.gvr.resource + "/" + subresource;
  const auto [at, is_new] = by_resource_.try_emplace(key);
  if (is_new) {
    for (const auto& bound : bound_) {
      if (bound.policy->match.concerns(resource, subresource, table_)) at->second.push_back(&bound);
    }
  }
  return at->second;
}

}  // namespace mk::apiserver
