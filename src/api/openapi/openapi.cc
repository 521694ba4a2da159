#include "mk/api/openapi.h"

#include <fmt/format.h>

#include <set>

#include "openapi/document.h"
#include "schema/embedded.h"

namespace mk::api {
namespace {

Json info() {
  return JsonObject{{"title", "Kubernetes"}, {"version", "v1.36.0"}};
}

template <class F>
void for_each_resource(const OpenApiExtra& extra, F&& visit) {
  for (const auto& resource : builtin_resources()) visit(resource);
  for (const auto& resource : extra.resources) visit(*resource);
}

std::uint64_t fnv1a(std::string_view text, std::uint64_t hash = 14695981039346656037ull) {
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  return hash;
}

// The definitions that a group version's document needs: of its resources, its subresources, and of what the
// operations themselves speak.
std::map<std::string, const Json*, std::less<>> needed(const Definitions& definitions,
                                                       const std::vector<const ResourceInfo*>& resources) {
  std::map<std::string, const Json*, std::less<>> out;
  for (const std::string_view name : {"DeleteOptions", "Status", "Patch", "WatchEvent"}) {
    add_closure(definitions, "io.k8s.apimachinery.pkg.apis.meta.v1." + std::string(name), out);
  }
  for (const auto* resource : resources) {
    auto kind = resource->gvk();
    add_closure(definitions, definitions.name_of(kind), out);
    kind.kind += "List";
    add_closure(definitions, definitions.name_of(kind), out);
    for (const auto& sub : resource->subresources)
      add_closure(definitions, definitions.name_of(sub.kind), out);
  }
  return out;
}

}  // namespace

Json openapi_v2_document(const OpenApiExtra& extra) {
  const Definitions definitions(extra);
  JsonObject paths, types;
  for_each_resource(extra, [&](const ResourceInfo& resource) {
    add_paths(resource, definitions, Dialect::kSwagger2, paths);
  });
  for (const auto& [name, node] : definitions.all())
    types.emplace(name, render_definition(*node, Dialect::kSwagger2));
  return JsonObject{
      {"swagger", "2.0"},
      {"info", info()},
      {"paths", std::move(paths)},
      {"definitions", std::move(types)},
      {"securityDefinitions",
       JsonObject{
           {"BearerToken", JsonObject{{"type", "apiKey"}, {"name", "authorization"}, {"in", "header"}}}}},
      {"security", JsonArray{JsonObject{{"BearerToken", JsonArray()}}}}};
}

std::string openapi_v2(const OpenApiExtra& extra) {
  return to_json(openapi_v2_document(extra));
}

std::string openapi_v2_protobuf(const OpenApiExtra& extra) {
  return encode_openapi_v2(openapi_v2_document(extra));
}

std::uint64_t openapi_hash(std::string_view path, const OpenApiExtra& extra) {
  // Documents are not built for their hash: what they are built from is hashed instead.
  static const auto builtin_hash = fnv1a(embedded_discovery(), fnv1a(embedded_schema()));
  auto hash = builtin_hash;
  for (const auto& [of, version] : extra.versions) {
    if (path.empty() || path == of) hash = fnv1a(of + std::to_string(version), hash);
  }
  return hash;
}

std::string openapi_v3_index(const OpenApiExtra& extra) {
  std::set<std::string> served;
  for_each_resource(extra,
                    [&](const ResourceInfo& resource) { served.insert(group_version_path(resource.gvr)); });
  JsonObject paths;
  for (const auto& path : served) {
    const auto url = fmt::format("/openapi/v3/{}?hash={:016X}", path, openapi_hash(path, extra));
    paths.emplace(path, JsonObject{{"serverRelativeURL", url}});
  }
  return to_json(JsonObject{{"paths", std::move(paths)}});
}

std::optional<std::string> openapi_v3(std::string_view path, const OpenApiExtra& extra) {
  std::vector<const ResourceInfo*> resources;
  for_each_resource(extra, [&](const ResourceInfo& resource) {
    if (group_version_path(resource.gvr) == path) resources.push_back(&resource);
  });
  if (resources.empty()) return std::nullopt;
  const Definitions definitions(extra);
  JsonObject paths, types;
  for (const auto* resource : resources) add_paths(*resource, definitions, Dialect::kOpenApi3, paths);
  for (const auto& [name, node] : needed(definitions, resources))
    types.emplace(name, render_definition(*node, Dialect::kOpenApi3));
  return to_json(JsonObject{
      {"openapi", "3.0.0"},
      {"info", info()},
      {"paths", std::move(paths)},
      {"components",
       JsonObject{{"schemas", std::move(types)},
                  {"securitySchemes", JsonObject{{"BearerToken", JsonObject{{"type", "apiKey"},
                                                                            {"name", "authorization"},
                                                                            {"in", "header"}}}}}}}});
}

}  // namespace mk::api
