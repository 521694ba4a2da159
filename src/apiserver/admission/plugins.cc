#include "admission/plugins.h"

#include <fmt/format.h>

namespace mk::apiserver {

bool creates(const WriteContext& context, std::string_view qualified_resource) {
  return context.operation == "CREATE" && context.subresource.empty() &&
         context.resource->gvr.qualified() == qualified_resource;
}

bool updates(const WriteContext& context, std::string_view qualified_resource) {
  return context.operation == "UPDATE" && context.subresource.empty() &&
         context.resource->gvr.qualified() == qualified_resource;
}

Error forbidden_by(const WriteContext& context, const api::Json* object, std::string_view why) {
  std::string name = context.name;
  if (name.empty() && object != nullptr) name = api::str(*object, "metadata.name");
  const auto resource = context.resource->gvr.qualified();
  Error error(Reason::kForbidden, name.empty()
                                      ? fmt::format("{} is forbidden: {}", resource, why)
                                      : fmt::format("{} \"{}\" is forbidden: {}", resource, name, why));
  error.group = context.resource->gvr.group;
  error.kind = context.resource->gvr.resource;
  error.name = name;
  return error;
}

}  // namespace mk::apiserver
