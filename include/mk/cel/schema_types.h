#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mk/api/json.h"
#include "mk/api/schema.h"
#include "mk/cel/type.h"

// Types that are declared by schemas of API objects.
namespace mk::cel {

// How an expression spells a property: "namespace" is __namespace__, "a-b" is a__dash__b, "a.b" a__dot__b,
// "a/b" a__slash__b, "a__b" a__underscores__b. Empty: it cannot be spelled.
std::string escape_property(std::string_view property);
// The inverse; nullopt for what escape_property never makes.
std::optional<std::string> unescape_property(std::string_view identifier);

// One level of a structural schema, as expressions see the value there.
struct SchemaNode {
  enum class ListType { kAtomic, kSet, kMap };

  TypePtr type;
  std::map<std::string, std::unique_ptr<SchemaNode>, std::less<>> properties;  // by property name
  std::unique_ptr<SchemaNode> element;  // of lists and maps; nullptr: untyped
  ListType list_type = ListType::kAtomic;
  std::vector<std::string> list_map_keys;
  // The most that fits: code points, items or properties. Where the schema does not say, what fits into a
  // request of 3 MiB.
  std::uint64_t size_max = 0;
  std::uint64_t bytes_min = 1;  // the fewest that a value takes in JSON
};

// Types of a structural schema (openAPIV3Schema of a CustomResourceDefinition, with or without "$ref"-free
// nesting; x-kubernetes-int-or-string, -preserve-unknown-fields, -embedded-resource, -list-type, nullable).
// Object types are named by path below `root_name`.
class SchemaTypes : public TypeProvider {
 public:
  // A resource's root has apiVersion, kind and the names of metadata whatever the schema says of them.
  SchemaTypes(const api::Json& schema, std::string root_name, bool is_resource = true);
  ~SchemaTypes() override;

  // Pass to Value::json so that values have the types that expressions were checked with.
  const SchemaNode& root() const { return *root_; }
  // The node of an expression's `self` below the root: property names, "[]" for items, "{}" for values of a
  // map.
  const SchemaNode* at(const std::vector<std::string>& path) const;

  bool has_type(std::string_view type_name) const override;
  TypePtr field(std::string_view type_name, std::string_view field_name) const override;
  std::string property(std::string_view type_name, std::string_view field_name) const override;

 private:
  std::unique_ptr<SchemaNode> root_;
  std::map<std::string, const SchemaNode*, std::less<>> objects_;
};

// Types of the schema engine: built-in kinds, by type name ("io.k8s.api.apps.v1.Deployment"). Values of them
// are plain JSON, so times and bytes are text.
class ApiTypes : public TypeProvider {
 public:
  explicit ApiTypes(const api::Schema& schema) : schema_(schema) {}
  // dyn for an unknown kind.
  TypePtr of(const api::Gvk& gvk) const;

  bool has_type(std::string_view type_name) const override;
  TypePtr field(std::string_view type_name, std::string_view field_name) const override;
  std::string property(std::string_view type_name, std::string_view field_name) const override;

 private:
  const api::Schema& schema_;
};

}  // namespace mk::cel
