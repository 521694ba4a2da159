#include "registry/errors.h"

namespace mk::apiserver {
namespace {

Error about(Reason reason, const api::Gvr& resource, std::string_view name, std::string message) {
  Error error(reason, std::move(message));
  error.group = resource.group;
  error.kind = resource.resource;
  error.name = name;
  return error;
}

std::string quoted(const api::Gvr& resource, std::string_view name) {
  return resource.qualified() + " \"" + std::string(name) + "\"";
}

}  // namespace

Error not_found(const api::Gvr& resource, std::string_view name) {
  return about(Reason::kNotFound, resource, name, quoted(resource, name) + " not found");
}

Error already_exists(const api::Gvr& resource, std::string_view name) {
  return about(Reason::kAlreadyExists, resource, name, quoted(resource, name) + " already exists");
}

Error write_conflict(const api::Gvr& resource, std::string_view name, std::string_view why) {
  if (why.empty())
    why = "the object has been modified; please apply your changes to the latest version and try again";
  return about(Reason::kConflict, resource, name,
               "Operation cannot be fulfilled on " + quoted(resource, name) + ": " + std::string(why));
}

Error method_not_supported(const api::Gvr& resource, std::string_view verb) {
  return about(Reason::kMethodNotAllowed, resource, "",
               std::string(verb) + " is not supported on resources of kind \"" + resource.qualified() + "\"");
}

}  // namespace mk::apiserver
