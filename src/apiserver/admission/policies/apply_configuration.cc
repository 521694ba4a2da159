#include "admission/policies/apply_configuration.h"

#include <fmt/format.h>

#include "mk/api/patch.h"

namespace mk::apiserver {

using api::Json;

namespace {

Error atomic(const std::string& path) {
  return Error(Reason::kInvalid,
               fmt::format("invalid ApplyConfiguration: may not mutate atomic arrays, maps or "
                           "structs: {}",
                           path));
}

Result<void> check_atomic(const api::Type& type, const Json& value, const std::string& path) {
  if (type.map_atomic && value.is_object()) return atomic(path);
  if (const auto* object = value.if_object()) {
    for (const auto& entry : *object) {
      const auto* field = type.field(entry.key());
      const api::Type* inner = field != nullptr ? field->type : type.element;
      if (inner != nullptr)
        MK_TRY(check_atomic(*inner, entry.value(), path + "." + std::string(entry.key())));
    }
  } else if (const auto* list = value.if_array()) {
    if (type.list_type == api::Type::ListType::kUnset || type.list_type == api::Type::ListType::kAtomic)
      return atomic(path);
    for (const auto& element : *list) {
      if (type.element != nullptr) MK_TRY(check_atomic(*type.element, element, path));
    }
  }
  return ok();
}

}  // namespace

Result<void> merge_configuration(const api::Type& type, Json& object, Json configuration) {
  MK_TRY(check_atomic(type, configuration, ""));
  for (const char* field : {"apiVersion", "kind"}) {
    if (const Json* value = api::find(object, field)) api::set(configuration, field, *value);
  }
  Json bare = object;
  api::erase(bare, "metadata.managedFields");
  api::ApplyOptions options;
  options.manager = "admission";
  options.api_version = api::str(object, "apiVersion");
  options.force = true;
  MK_ASSIGN(Json merged, api::server_side_apply(type, &bare, configuration, options));
  api::erase(merged, "metadata.managedFields");
  if (const Json* owners = api::find(object, "metadata.managedFields"))
    api::set(merged, "metadata.managedFields", *owners);
  object = std::move(merged);
  return ok();
}

}  // namespace mk::apiserver
