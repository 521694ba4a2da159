#include "volumes/payload.h"

#include <fmt/core.h>

#include "env/environment.h"

namespace mk::kubelet {

namespace {

unsigned mode_of(const Json& item, unsigned fallback) {
  return static_cast<unsigned>(api::num(item, "mode", fallback));
}

void put(Payload& out, std::string path, std::string content, unsigned mode) {
  PayloadFile file;
  file.content = std::move(content);
  file.mode = mode;
  out[std::move(path)] = std::move(file);
}

}  // namespace

Result<void> add_object_files(Payload& out, const Json& source, const api::Object& object,
                              unsigned default_mode) {
  const auto data = object_data(object);
  const auto& items = api::list(source, "items");
  if (items.empty()) {
    for (const auto& [key, value] : data) put(out, key, value, default_mode);
    return ok();
  }
  for (const Json& item : items) {
    const auto found = data.find(std::string(api::str(item, "key")));
    if (found == data.end()) {
      if (api::flag(source, "optional")) continue;
      return Error(Reason::kNotFound,
                   fmt::format("references non-existent {} key: {}",
                               object.kind() == "Secret" ? "secret" : "config", api::str(item, "key")));
    }
    put(out, std::string(api::str(item, "path")), found->second, mode_of(item, default_mode));
  }
  return ok();
}

Result<void> add_downward_files(Payload& out, const Json& source, const DownwardInputs& in,
                                unsigned default_mode) {
  for (const Json& item : api::list(source, "items")) {
    Result<std::string> value = std::string();
    if (const Json* field = api::find(item, "fieldRef"))
      value = field_value(in, api::str(*field, "fieldPath"));
    else if (const Json* resource = api::find(item, "resourceFieldRef"))
      value = resource_value(in, *resource, "");
    if (!value.ok()) return std::move(value).error();
    put(out, std::string(api::str(item, "path")), std::move(*value), mode_of(item, default_mode));
  }
  return ok();
}

}  // namespace mk::kubelet
