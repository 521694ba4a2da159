#include "discovery/discovery.h"

#include <algorithm>
#include <map>
#include <vector>

#include "cacher/event_versions.h"
#include "extensions/custom_resource.h"
#include "mk/api/resource.h"
#include "mk/base/strings.h"
#include "mk/pki/certificate.h"

namespace mk::apiserver {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::ResourceInfo;

namespace {

JsonArray texts(const std::vector<std::string>& values) {
  JsonArray out;
  for (const auto& value : values) out.push_back(api::text(value));
  return out;
}

struct Group {
  std::string name;
  std::vector<std::string> versions;  // preferred first
};

std::vector<Group> groups(const ResourceTable& table) {
  std::vector<Group> out;
  table.for_each([&](const ResourceInfo& resource) {
    auto found = std::find_if(out.begin(), out.end(),
                              [&](const Group& group) { return group.name == resource.gvr.group; });
    if (found == out.end()) {
      out.push_back(Group{resource.gvr.group, {}});
      found = out.end() - 1;
    }
    auto& versions = found->versions;
    if (std::find(versions.begin(), versions.end(), resource.gvr.version) == versions.end())
      versions.push_back(resource.gvr.version);
  });
  return out;
}

JsonObject version_entry(const Group& group, const std::string& version) {
  JsonObject out;
  out["groupVersion"] = api::text(group.name + "/" + version);
  out["version"] = api::text(version);
  return out;
}

JsonObject group_entry(const Group& group) {
  JsonArray versions;
  for (const auto& version : group.versions) versions.push_back(version_entry(group, version));
  JsonObject out;
  out["name"] = api::text(group.name);
  out["versions"] = std::move(versions);
  out["preferredVersion"] = version_entry(group, group.versions.front());
  return out;
}

// Tells migrators when the version that is stored has changed: eight bytes of a digest of what it is. "" for
// what is stored nowhere.
std::string storage_version_hash(const ResourceInfo& resource) {
  if (!resource.has_verb("list") || resource.gvr.resource == "componentstatuses") return {};
  const auto* custom = custom_of(resource);
  const api::Gvr stored = stored_as(resource.gvr);
  const std::string version = custom ? custom->storage_version() : stored.version;
  return base64_encode(pki::sha256(stored.group + "/" + version + "/" + resource.kind).substr(0, 8));
}

JsonObject legacy_resource(const ResourceInfo& resource) {
  JsonObject out;
  out["name"] = api::text(resource.gvr.resource);
  out["singularName"] = api::text(resource.singular);
  out["namespaced"] = resource.namespaced;
  out["kind"] = api::text(resource.kind);
  out["verbs"] = texts(resource.verbs);
  if (!resource.short_names.empty()) out["shortNames"] = texts(resource.short_names);
  if (!resource.categories.empty()) out["categories"] = texts(resource.categories);
  if (const auto hash = storage_version_hash(resource); !hash.empty())
    out["storageVersionHash"] = api::text(hash);
  return out;
}

JsonObject legacy_subresource(const ResourceInfo& resource, const api::Subresource& sub) {
  JsonObject out;
  out["name"] = api::text(resource.gvr.resource + "/" + sub.name);
  out["singularName"] = "";
  out["namespaced"] = resource.namespaced;
  if (sub.kind.group != resource.gvr.group || sub.kind.version != resource.gvr.version) {
    out["group"] = api::text(sub.kind.group);
    out["version"] = api::text(sub.kind.version);
  }
  out["kind"] = api::text(sub.kind.kind);
  out["verbs"] = texts(sub.verbs);
  return out;
}

JsonObject response_kind(const api::Gvk& kind) {
  JsonObject out;
  out["group"] = api::text(kind.group);
  out["version"] = api::text(kind.version);
  out["kind"] = api::text(kind.kind);
  return out;
}

JsonObject aggregated_resource(const ResourceInfo& resource) {
  JsonObject out;
  out["resource"] = api::text(resource.gvr.resource);
  out["responseKind"] = response_kind(resource.gvk());
  out["scope"] = resource.namespaced ? "Namespaced" : "Cluster";
  out["singularResource"] = api::text(resource.singular);
  out["verbs"] = texts(resource.verbs);
  if (!resource.short_names.empty()) out["shortNames"] = texts(resource.short_names);
  if (!resource.categories.empty()) out["categories"] = texts(resource.categories);
  JsonArray subresources;
  for (const auto& sub : resource.subresources) {
    JsonObject entry;
    entry["subresource"] = api::text(sub.name);
    entry["responseKind"] = response_kind(sub.kind);
    entry["verbs"] = texts(sub.verbs);
    subresources.push_back(std::move(entry));
  }
  if (!subresources.empty()) out["subresources"] = std::move(subresources);
  return out;
}

JsonObject aggregated_group(const ResourceTable& table, const Group& group) {
  JsonArray versions;
  for (const auto& version : group.versions) {
    JsonArray resources;
    table.for_each([&](const ResourceInfo& resource) {
      if (resource.gvr.group == group.name && resource.gvr.version == version)
        resources.push_back(aggregated_resource(resource));
    });
    JsonObject entry;
    entry["version"] = api::text(version);
    entry["resources"] = std::move(resources);
    entry["freshness"] = "Current";
    versions.push_back(std::move(entry));
  }
  JsonObject metadata;
  metadata["creationTimestamp"] = nullptr;
  if (!group.name.empty()) metadata["name"] = api::text(group.name);
  JsonObject out;
  out["metadata"] = std::move(metadata);
  out["versions"] = std::move(versions);
  return out;
}

}  // namespace

Json api_versions(const std::string& server_address) {
  JsonObject address;
  address["clientCIDR"] = "0.0.0.0/0";
  address["serverAddress"] = api::text(server_address);
  JsonObject out;
  out["kind"] = "APIVersions";
  out["versions"] = JsonArray{"v1"};
  out["serverAddressByClientCIDRs"] = JsonArray{std::move(address)};
  return out;
}

Json api_group_list(const ResourceTable& table) {
  JsonArray entries;
  for (const Group& group : groups(table)) {
    if (!group.name.empty()) entries.push_back(group_entry(group));
  }
  JsonObject out;
  out["kind"] = "APIGroupList";
  out["apiVersion"] = "v1";
  out["groups"] = std::move(entries);
  return out;
}

std::optional<Json> api_group(const ResourceTable& table, const std::string& name) {
  for (const Group& group : groups(table)) {
    if (group.name != name || name.empty()) continue;
    JsonObject out;
    out["kind"] = "APIGroup";
    out["apiVersion"] = "v1";
    for (auto& [key, value] : group_entry(group)) out[key] = value;
    return Json(std::move(out));
  }
  return std::nullopt;
}

std::optional<Json> api_resource_list(const ResourceTable& table, const std::string& group,
                                      const std::string& version) {
  JsonArray resources;
  table.for_each([&](const ResourceInfo& resource) {
    if (resource.gvr.group != group || resource.gvr.version != version) return;
    resources.push_back(legacy_resource(resource));
    for (const auto& sub : resource.subresources) resources.push_back(legacy_subresource(resource, sub));
  });
  if (resources.empty()) return std::nullopt;
  JsonObject out;
  out["kind"] = "APIResourceList";
  if (!group.empty()) out["apiVersion"] = "v1";
  out["groupVersion"] = api::text(group.empty() ? version : group + "/" + version);
  out["resources"] = std::move(resources);
  return Json(std::move(out));
}

Json aggregated_discovery(const ResourceTable& table, bool core) {
  JsonArray items;
  for (const Group& group : groups(table)) {
    if (group.name.empty() == core) items.push_back(aggregated_group(table, group));
  }
  JsonObject out;
  out["kind"] = "APIGroupDiscoveryList";
  out["apiVersion"] = "apidiscovery.k8s.io/v2";
  out["metadata"] = JsonObject();
  out["items"] = std::move(items);
  return out;
}

}  // namespace mk::apiserver
