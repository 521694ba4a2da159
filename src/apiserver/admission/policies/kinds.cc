#include "admission/policies/kinds.h"

#include "extensions/custom_resource.h"

namespace mk::apiserver {

ResourceRef find_kind(const ResourceTable& table, const api::Gvk& gvk) {
  if (const auto* builtin = api::find_builtin(gvk)) return builtin;
  for (const auto& added : table.added()) {
    if (added->gvk() == gvk) return ResourceRef(added);
  }
  return ResourceRef();
}

const api::Type* schema_of(const api::ResourceInfo& resource) {
  return resource.extension ? &resource.extension->type() : api::builtin_schema().type(resource.gvk());
}

api::Json in_version(const api::ResourceInfo& version, api::Json object) {
  if (api::str(object, "kind") == version.kind)
    api::set(object, "apiVersion", api::text(version.gvr.api_version()));
  return object;
}

Result<void> settle(const api::ResourceInfo& resource, api::Json& object) {
  const api::Type* type = schema_of(resource);
  if (type == nullptr) return Error(Reason::kInvalid, "no schema for " + resource.gvr.qualified());
  const auto* custom = custom_of(resource);
  api::FieldProblems unknown;
  MK_TRY(custom ? custom->schema().prune(object, unknown) : api::decode(*type, object, unknown));
  if (!unknown.empty()) return Error(Reason::kInvalid, "strict decoding error: " + unknown.front());
  if (custom) {
    custom->schema().apply_defaults(object);
  } else {
    api::apply_defaults(*type, object);
  }
  return ok();
}

}  // namespace mk::apiserver
