#pragma once

#include <memory>
#include <vector>

#include "mk/api/object.h"
#include "mk/cel/schema_types.h"

namespace mk::controller {

// The kinds that a policy's resource rules name: built-in ones and those of CustomResourceDefinitions.
// Wildcards name nothing; at most as many as Kubernetes checks.
std::vector<api::Gvk> kinds_of_rules(const api::Json& spec, const std::vector<api::Object>& definitions);

// The types of `object` and `params` of a policy, when it is asked about objects of one kind.
class PolicyTypes : public cel::TypeProvider {
 public:
  PolicyTypes(const api::Json& spec, const api::Gvk& kind, const std::vector<api::Object>& definitions);

  const cel::TypePtr& object() const { return object_; }
  const cel::TypePtr& params() const { return params_; }  // nullptr: the policy has none

  bool has_type(std::string_view type_name) const override;
  cel::TypePtr field(std::string_view type_name, std::string_view field_name) const override;
  std::string property(std::string_view type_name, std::string_view field_name) const override;

 private:
  cel::TypePtr type_of(const api::Gvk& gvk, const std::vector<api::Object>& definitions);
  const cel::TypeProvider& of(std::string_view type_name) const;

  cel::ApiTypes builtin_;
  std::vector<std::unique_ptr<cel::SchemaTypes>> custom_;
  cel::TypePtr object_, params_;
};

}  // namespace mk::controller
