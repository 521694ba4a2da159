#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mk/api/resource.h"
#include "registry/strategies/resources.h"

// What objects take from ResourceQuotas. All pure.
namespace mk::apiserver {

// What one object counts for, by the names quotas use: "pods", "requests.cpu", "count/deployments.apps" ...
// `resource` may be of any kind, custom ones included.
ResourceList quota_usage(const api::Gvr& resource, const api::Json& object);

// One scope of a quota, as spec.scopes or spec.scopeSelector give it.
struct QuotaScope {
  QuotaScope(std::string name_, std::string op_, std::vector<std::string> values_)
      : name(std::move(name_)), op(std::move(op_)), values(std::move(values_)) {}
  bool operator==(const QuotaScope&) const = default;
  std::string name, op;
  std::vector<std::string> values;
};
std::vector<QuotaScope> quota_scopes(const api::Json& quota);

// Does an object fall under all of these scopes? Only pods and claims know scopes: a quota that has some
// counts nothing else.
bool in_quota_scopes(const std::vector<QuotaScope>& scopes, const api::Gvr& resource,
                     const api::Json& object);

// The resources whose objects can change a quota with this limit; empty for a name nothing counts for.
std::vector<api::Gvr> counted_resources(std::string_view name);

// Under a quota of cpu or memory every container must say what it takes: "must specify limits.cpu for: a,b",
// or "" when all is said.
std::string missing_amounts(const ResourceList& hard, const api::Json& pod);

}  // namespace mk::apiserver
