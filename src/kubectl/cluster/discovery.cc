#include "cluster/discovery.h"

#include <algorithm>

#include "mk/base/strings.h"

namespace mk::kubectl {

using api::Json;
using api::ResourceInfo;

namespace {

std::vector<std::string> texts(const Json& item, std::string_view path) {
  std::vector<std::string> out;
  for (const auto& value : api::list(item, path)) {
    if (const auto* characters = value.if_string()) out.emplace_back(characters->data(), characters->size());
  }
  return out;
}

api::Gvk kind_of(const Json& item, const std::string& group, const std::string& version) {
  return {std::string(api::str(item, "responseKind.group", group)),
          std::string(api::str(item, "responseKind.version", version)),
          std::string(api::str(item, "responseKind.kind"))};
}

ResourceInfo resource_from(const Json& item, const std::string& group, const std::string& version) {
  ResourceInfo out;
  out.gvr = {group, version, std::string(api::str(item, "resource"))};
  out.kind = api::str(item, "responseKind.kind");
  out.singular = api::str(item, "singularResource");
  if (out.singular.empty()) out.singular = to_lower(out.kind);
  out.namespaced = api::str(item, "scope") == "Namespaced";
  out.verbs = texts(item, "verbs");
  out.short_names = texts(item, "shortNames");
  out.categories = texts(item, "categories");
  for (const auto& sub : api::list(item, "subresources"))
    out.subresources.push_back(
        {std::string(api::str(sub, "subresource")), kind_of(sub, group, version), texts(sub, "verbs")});
  return out;
}

bool named(const ResourceInfo& resource, const std::string& name) {
  return resource.gvr.resource == name || resource.singular == name || to_lower(resource.kind) == name;
}

bool has(const std::vector<std::string>& values, std::string_view value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

}  // namespace

Result<void> Discovery::add(const Json& group_list) {
  if (api::str(group_list, "kind") != "APIGroupDiscoveryList")
    return Error(Reason::kInternalError,
                 "the server does not offer aggregated discovery (Kubernetes 1.30 or later does)");
  for (const auto& group : api::list(group_list, "items")) {
    const std::string name(api::str(group, "metadata.name"));
    for (const auto& version : api::list(group, "versions")) {
      const std::string version_name(api::str(version, "version"));
      versions_.push_back(name.empty() ? version_name : name + "/" + version_name);
      for (const auto& item : api::list(version, "resources"))
        resources_.push_back(resource_from(item, name, version_name));
    }
  }
  return ok();
}

bool Discovery::preferred(const ResourceInfo& resource) const {
  for (const auto& other : resources_) {
    if (other.gvr.group == resource.gvr.group && other.gvr.resource == resource.gvr.resource)
      return &other == &resource;
  }
  return false;
}

const ResourceInfo* Discovery::find(std::string_view name) const {
  const std::string wanted = to_lower(name);
  const auto dot = wanted.find('.');
  const std::string head = wanted.substr(0, dot);
  const std::string tail = dot == std::string::npos ? "" : wanted.substr(dot + 1);
  for (const auto& resource : resources_) {
    const bool fits = tail.empty() || resource.gvr.group == tail ||
                      resource.gvr.version + "." + resource.gvr.group == tail ||
                      (resource.gvr.group.empty() && resource.gvr.version == tail);
    if (fits && named(resource, head)) return &resource;
  }
  for (const auto& resource : resources_) {
    if (has(resource.short_names, head) && (tail.empty() || resource.gvr.group == tail)) return &resource;
  }
  // A group may be cut short: "deployments.app".
  for (const auto& resource : resources_) {
    if (!tail.empty() && named(resource, head) && resource.gvr.group.substr(0, tail.size()) == tail)
      return &resource;
  }
  return nullptr;
}

const ResourceInfo* Discovery::find(const api::Gvk& kind) const {
  for (const auto& resource : resources_) {
    if (resource.gvk() == kind) return &resource;
  }
  return nullptr;
}

std::vector<const ResourceInfo*> Discovery::category(std::string_view name) const {
  std::vector<const ResourceInfo*> out;
  for (const auto& resource : resources_) {
    if (has(resource.categories, name) && preferred(resource)) out.push_back(&resource);
  }
  return out;
}

std::string singular_name(const ResourceInfo& resource) {
  return resource.gvr.group.empty() ? resource.singular : resource.singular + "." + resource.gvr.group;
}

}  // namespace mk::kubectl
