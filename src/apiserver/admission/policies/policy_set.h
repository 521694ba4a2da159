#pragma once

#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "admission/policies/policy.h"

namespace mk::apiserver {

// A policy with the bindings that put it to work.
struct BoundPolicy {
  std::shared_ptr<const Policy> policy;
  std::vector<PolicyBinding> bindings;
};

// All policies of one kind that have bindings, by the resource that they are about. Follows the cacher: a
// policy is compiled when it is first needed after its generation changed, and a request for a resource that
// no policy is about costs one look-up.
class PolicySet {
 public:
  PolicySet(Cacher& cacher, const ResourceTable& table, api::Gvr policies, api::Gvr bindings);

  // In the order of names; until the next call.
  const std::vector<const BoundPolicy*>& about(const api::ResourceInfo& resource,
                                               const std::string& subresource);

 private:
  void rebuild();

  Cacher& cacher_;
  const ResourceTable& table_;
  const api::Gvr policies_gvr_, bindings_gvr_;
  bool stale_ = true;
  std::map<std::string, std::shared_ptr<const Policy>> compiled_;
  std::vector<BoundPolicy> bound_;
  std::unordered_map<std::string, std::vector<const BoundPolicy*>> by_resource_;
};

}  // namespace mk::apiserver
