#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mk/api/json.h"
#include "mk/api/selector.h"
#include "registry/context.h"
#include "resources/resource_table.h"

namespace mk::apiserver {

// What a rule of a policy (or of a webhook) is held against.
struct MatchInput {
  const WriteContext& context;
  const api::Json* object;  // nullptr for deletes
  const api::Json* old;     // nullptr for creates
  Cacher& cacher;           // for the labels of the namespace
  const ResourceTable& table;
};

// admissionregistration.k8s.io/v1 RuleWithOperations, with resourceNames.
class ResourceRule {
 public:
  explicit ResourceRule(const api::Json& rule);

  // `equivalent`: other versions of the same resource match too. The resource in the version that matches:
  // the request's own, where the rule names it; nothing when the rule does not match.
  ResourceRef matching(const MatchInput& input, bool equivalent) const;
  // By resource alone: could any request for it match? `table` tells its other versions.
  bool concerns(const api::ResourceInfo& resource, std::string_view subresource, const ResourceTable& table,
                bool equivalent) const;

 private:
  std::vector<std::string> groups_, versions_, resources_, operations_, names_;
  std::string scope_;
};

// admissionregistration.k8s.io/v1 MatchResources.
class MatchResources {
 public:
  // A missing or null `spec` matches everything; one without rules matches all resources.
  explicit MatchResources(const api::Json* spec);

  bool matches(const MatchInput& input) const { return bool(matching(input)); }
  // The resource in the version that the rules name: in which expressions expect the object.
  ResourceRef matching(const MatchInput& input) const;
  bool concerns(const api::ResourceInfo& resource, std::string_view subresource,
                const ResourceTable& table) const;

 private:
  std::vector<ResourceRule> rules_, excluded_;
  bool equivalent_ = true;
  api::LabelSelector namespaces_, objects_;
};

// Selectors as policies and webhooks use them. Cluster-scoped objects other than namespaces always match.
bool namespace_matches(const api::LabelSelector& selector, const MatchInput& input);
bool object_matches(const api::LabelSelector& selector, const MatchInput& input);

}  // namespace mk::apiserver
