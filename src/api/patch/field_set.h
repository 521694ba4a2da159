#pragma once

#include <map>
#include <string>
#include <vector>

#include "mk/api/schema.h"

// Sets of fields as server-side apply tracks them. A path element is spelled as in FieldsV1: "f:replicas",
// "k:{\"name\":\"c\"}", "v:\"a\"". A manager's set stays in its JSON form (a FieldsV1 object is a trie
// already) and is edited in place; only the small sets that one write changes are made of FieldSet.
namespace mk::api {

struct FieldSet {
  bool member = false;
  std::map<std::string, FieldSet, std::less<>> children;

  bool empty() const { return !member && children.empty(); }
  void insert(const std::vector<std::string>& path);
  FieldSet& insert_child(std::string element) { return children[std::move(element)]; }
  void unite(const FieldSet& other);
  const FieldSet* child(std::string_view element) const;
};

// FieldsV1 <-> set operations. The root of a FieldsV1 object is never a member itself.
void fields_unite(JsonObject& fields, const FieldSet& set);
void fields_subtract(JsonObject& fields, const FieldSet& set);
// The paths in both, as Kubernetes prints them (".spec.containers[name=\"c\"].image").
std::vector<std::string> fields_intersect(const JsonObject& fields, const FieldSet& set);

// The path element of an associative list's element; "" when the element cannot have one (not an object,
// none of the keys).
std::string element_name(const Type& list_type, const Json& element);

// How a value merges: whole, by field, or by element.
enum class Shape { kLeaf, kFields, kElements };
Shape shape_of(const Type* type, const Json& value);
// Of a field of a kFields value; nullptr: unknown, a leaf.
const Type* child_type(const Type* type, std::string_view field);

// Everything that a configuration mentions (the set an applier owns).
FieldSet field_set_of(const Type& type, const Json& value);

struct Changes {
  FieldSet added, modified, removed;
};
// What differs; paths that are leaf members of `ignored` are not looked at.
Changes compare_objects(const Type& type, const Json& before, const Json& after, const FieldSet& ignored);

}  // namespace mk::api
