#include "extensions/definitions.h"
#include "mk/api/structural.h"

namespace mk::apiserver {

using api::Json;
using api::JsonArray;
using api::JsonObject;

namespace {

constexpr std::string_view kMeta = "io.k8s.apimachinery.pkg.apis.meta.v1.";

JsonArray kind_marker(const api::Gvk& kind) {
  return {JsonObject{{"group", kind.group}, {"kind", kind.kind}, {"version", kind.version}}};
}

// Every object's own fields, described, before what its definition says.
void add_identity(JsonObject& properties) {
  properties["apiVersion"] =
      JsonObject{{"description",
                  "APIVersion defines the group and version of the schema in which this object is written."},
                 {"type", "string"}};
  properties["kind"] =
      JsonObject{{"description",
                  "Kind is the name of the resource's schema that this object follows, in CamelCase. It "
                  "cannot be changed."},
                 {"type", "string"}};
}

Json object_definition(const api::Gvk& kind, const Json& open_api, const Json& version) {
  JsonObject out;
  if (open_api.is_object()) out = open_api.get_object();
  out["type"] = "object";
  JsonObject properties;
  add_identity(properties);
  properties["metadata"] =
      JsonObject{{"$ref", std::string(kMeta) + "ObjectMeta"},
                 {"description", "Standard object's metadata: names, labels, owners and more."}};
  for (const auto& property : api::object(open_api, "properties")) {
    if (!properties.contains(property.key())) properties[property.key()] = property.value();
  }
  out["properties"] = std::move(properties);
  out["x-kubernetes-group-version-kind"] = kind_marker(kind);
  if (const auto& fields = api::list(version, "selectableFields"); !fields.empty()) {
    JsonArray paths;
    for (const auto& field : fields) {
      const auto path = api::str(field, "jsonPath");
      paths.push_back(JsonObject{{"fieldPath", api::text(path.substr(path.starts_with('.') ? 1 : 0))}});
    }
    out["x-kubernetes-selectable-fields"] = std::move(paths);
  }
  return Json(std::move(out));
}

Json list_definition(const api::Gvk& kind, const std::string& list_kind, const std::string& item) {
  JsonObject properties;
  add_identity(properties);
  properties["metadata"] =
      JsonObject{{"$ref", std::string(kMeta) + "ListMeta"}, {"description", "Standard list metadata."}};
  properties["items"] = JsonObject{
      {"description", "The objects of this list."}, {"type", "array"}, {"items", JsonObject{{"$ref", item}}}};
  return JsonObject{{"description", list_kind + " is a list of " + kind.kind},
                    {"type", "object"},
                    {"required", JsonArray{"items"}},
                    {"properties", std::move(properties)},
                    {"x-kubernetes-group-version-kind", kind_marker({kind.group, kind.version, list_kind})}};
}

}  // namespace

api::OpenApiExtra Definitions::openapi(Schemas schemas, std::string_view group_version) const {
  api::OpenApiExtra out;
  out.resources = table_.added();
  for (const auto& [name, hash] : served_) {
    bool asked = schemas == Schemas::kAll;
    for (const auto& resource : table_.of(name)) {
      const auto path = api::group_version_path(resource->gvr);
      out.versions[path] += hash;
      asked = asked || (schemas == Schemas::kOne && path == group_version);
    }
    if (!asked) continue;
    const api::Gvr definitions{"apiextensions.k8s.io", "v1", "customresourcedefinitions"};
    const auto computed = computed_.find(name);
    const api::Object definition(
        (computed != computed_.end() ? computed->second : cacher_.get(definitions, api::Key("", name)))
            .bytes());
    for (const auto& resource : table_.of(name)) {
      const api::Gvk kind = resource->gvk();
      const auto own_name = api::definition_name(kind);
      for (const auto& version : api::list(definition.json(), "spec.versions")) {
        if (api::str(version, "name") != kind.version) continue;
        const Json* open_api = api::find(version, "schema.openAPIV3Schema");
        out.definitions[own_name] = object_definition(kind, open_api ? *open_api : Json(), version);
      }
      // Published under the name that clients derive from the kind, whatever the definition calls its lists.
      out.definitions[own_name + "List"] = list_definition(kind, kind.kind + "List", own_name);
    }
  }
  return out;
}

}  // namespace mk::apiserver
