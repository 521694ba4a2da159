#include "mk/api/resource.h"

#include <algorithm>

#include "mk/api/json.h"
#include "mk/base/assert.h"
#include "schema/embedded.h"

namespace mk::api {
namespace {

std::vector<std::string> strings(const Json& node, std::string_view path) {
  std::vector<std::string> out;
  for (const auto& entry : list(node, path)) {
    if (const auto* text = entry.if_string()) out.emplace_back(*text);
  }
  return out;
}

// The core group's list has subresources as entries of their own ("pods/log"), behind their resource.
void add_core(const Json& document, std::vector<ResourceInfo>& out) {
  for (const auto& entry : list(document, "core.resources")) {
    const std::string name(str(entry, "name"));
    const auto slash = name.find('/');
    if (slash == std::string::npos) {
      auto& resource = out.emplace_back();
      resource.gvr = {"", "v1", name};
      resource.kind = str(entry, "kind");
      resource.singular = str(entry, "singularName");
      resource.namespaced = flag(entry, "namespaced");
      resource.verbs = strings(entry, "verbs");
      resource.short_names = strings(entry, "shortNames");
      resource.categories = strings(entry, "categories");
      continue;
    }
    const auto owner = std::find_if(out.begin(), out.end(), [&](const ResourceInfo& r) {
      return r.gvr.resource == name.substr(0, slash);
    });
    MK_ASSERT(owner != out.end());
    const Gvk kind{std::string(str(entry, "group")), std::string(str(entry, "version", "v1")),
                   std::string(str(entry, "kind"))};
    owner->subresources.push_back({name.substr(slash + 1), kind, strings(entry, "verbs")});
  }
}

// A response kind without group and version is of the resource's own.
Gvk response_kind(const Json& entry, const Gvr& gvr) {
  const auto version = str(entry, "responseKind.version");
  const std::string kind(str(entry, "responseKind.kind"));
  if (version.empty()) return {gvr.group, gvr.version, kind};
  return {std::string(str(entry, "responseKind.group")), std::string(version), kind};
}

void add_resource(const Json& entry, std::string_view group, std::string_view version,
                  std::vector<ResourceInfo>& out) {
  auto& resource = out.emplace_back();
  resource.gvr = {std::string(group), std::string(version), std::string(str(entry, "resource"))};
  resource.kind = str(entry, "responseKind.kind");
  resource.singular = str(entry, "singularResource");
  resource.namespaced = str(entry, "scope") == "Namespaced";
  resource.verbs = strings(entry, "verbs");
  resource.short_names = strings(entry, "shortNames");
  resource.categories = strings(entry, "categories");
  for (const auto& sub : list(entry, "subresources")) {
    resource.subresources.push_back(
        {std::string(str(sub, "subresource")), response_kind(sub, resource.gvr), strings(sub, "verbs")});
  }
}

std::vector<ResourceInfo> load() {
  auto document = parse_json(embedded_discovery());
  MK_ASSERT(document.ok());
  std::vector<ResourceInfo> out;
  add_core(*document, out);
  for (const auto& group : list(*document, "apis.items")) {
    for (const auto& version : list(group, "versions")) {
      if (is_prerelease(str(version, "version"))) continue;
      for (const auto& entry : list(version, "resources")) {
        add_resource(entry, str(group, "metadata.name"), str(version, "version"), out);
      }
    }
  }
  return out;
}

}  // namespace

bool ResourceInfo::has_verb(std::string_view verb) const {
  return std::find(verbs.begin(), verbs.end(), verb) != verbs.end();
}

const Subresource* ResourceInfo::subresource(std::string_view name) const {
  for (const auto& sub : subresources) {
    if (sub.name == name) return &sub;
  }
  return nullptr;
}

std::span<const ResourceInfo> builtin_resources() {
  static const auto* resources = new std::vector<ResourceInfo>(load());
  return *resources;
}

const ResourceInfo* find_builtin(const Gvr& gvr) {
  static const auto* index = [] {
    auto* made = new std::map<Gvr, const ResourceInfo*>;
    for (const auto& resource : builtin_resources()) made->emplace(resource.gvr, &resource);
    return made;
  }();
  const auto found = index->find(gvr);
  return found == index->end() ? nullptr : found->second;
}

const ResourceInfo* find_builtin(const Gvk& gvk) {
  static const auto* index = [] {
    auto* made = new std::map<Gvk, const ResourceInfo*>;
    for (const auto& resource : builtin_resources()) made->emplace(resource.gvk(), &resource);
    return made;
  }();
  const auto found = index->find(gvk);
  return found == index->end() ? nullptr : found->second;
}

}  // namespace mk::api
