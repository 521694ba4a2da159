#include "admission/policies/kinds.h"

namespace mk::apiserver {

const api::ResourceInfo* find_kind(const api::Gvk& gvk) {
  return api::find_builtin(gvk);
}

bool is_served(const api::Gvr& gvr) {
  return api::find_builtin(gvr) != nullptr;
}

const api::Type* schema_of(const api::ResourceInfo& resource) {
  return resource.extension ? &resource.extension->type() : api::builtin_schema().type(resource.gvk());
}

}  // namespace mk::apiserver
