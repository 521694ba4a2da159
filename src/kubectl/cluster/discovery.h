#pragma once

#include <string>
#include <vector>

#include "mk/api/json.h"
#include "mk/api/resource.h"

namespace mk::kubectl {

// What the server serves, in its order.
class Discovery {
 public:
  // Adds the resources of an APIGroupDiscoveryList (/api or /apis).
  Result<void> add(const api::Json& group_list);

  // "po", "pod", "pods", "Pod", "deployments.apps", "deployments.v1.apps"; nullptr when unknown. Of several
  // versions of a group the preferred one counts.
  const api::ResourceInfo* find(std::string_view name) const;
  const api::ResourceInfo* find(const api::Gvk& kind) const;
  // The resources of a category ("all").
  std::vector<const api::ResourceInfo*> category(std::string_view name) const;

  const std::vector<api::ResourceInfo>& resources() const { return resources_; }  // every version
  const std::vector<std::string>& versions() const { return versions_; }          // "apps/v1", "v1"
  bool preferred(const api::ResourceInfo& resource) const;

 private:
  std::vector<api::ResourceInfo> resources_;
  std::vector<std::string> versions_;
};

// "deployment.apps", "pod": how messages name a resource's type.
std::string singular_name(const api::ResourceInfo& resource);

}  // namespace mk::kubectl
