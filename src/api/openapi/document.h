#pragma once

#include "mk/api/openapi.h"

namespace mk::api {

enum class Dialect { kSwagger2, kOpenApi3 };

// The definitions that a document is made of, as the schema files have them.
class Definitions {
 public:
  explicit Definitions(const OpenApiExtra& extra);

  const Json* find(std::string_view name) const;
  // The name of the type of a kind; "" when it has none (PodExecOptions).
  std::string_view name_of(const Gvk& gvk) const;
  const std::map<std::string, const Json*, std::less<>>& all() const { return all_; }

 private:
  void add(std::string_view name, const Json& definition);

  Json builtin_;
  std::map<std::string, const Json*, std::less<>> all_;
  std::map<Gvk, std::string_view> kinds_;
};

// What the objects' metadata is for, in words: the only prose that clients ask of every custom resource
// (kubectl explain). Written into the definition of ObjectMeta.
void describe_metadata(Json& definitions);

// One definition in a dialect's own words.
Json render_definition(const Json& node, Dialect dialect);
// The names that a definition refers to, itself included, transitively, added to `out`.
void add_closure(const Definitions& definitions, std::string_view name,
                 std::map<std::string, const Json*, std::less<>>& out);

// The path items of one resource, added to `paths`.
void add_paths(const ResourceInfo& resource, const Definitions& definitions, Dialect dialect,
               JsonObject& paths);

Json openapi_v2_document(const OpenApiExtra& extra);
std::string encode_openapi_v2(const Json& document);

}  // namespace mk::api
