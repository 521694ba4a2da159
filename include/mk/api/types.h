#pragma once

#include <compare>
#include <string>
#include <string_view>

namespace mk::api {

// group/version/Kind; the core group is "".
struct Gvk {
  std::string group, version, kind;
  std::string api_version() const { return group.empty() ? version : group + "/" + version; }
  auto operator<=>(const Gvk&) const = default;
};
Gvk parse_gvk(std::string_view api_version, std::string_view kind);

// group/version/resource: what a URL names ("apps", "v1", "deployments").
struct Gvr {
  std::string group, version, resource;
  std::string api_version() const { return group.empty() ? version : group + "/" + version; }
  // "deployments.apps", "pods"
  std::string qualified() const { return group.empty() ? resource : resource + "." + group; }
  auto operator<=>(const Gvr&) const = default;
};

// Name of an object within its resource; ns is "" for cluster-scoped ones.
struct Key {
  Key() = default;
  Key(std::string ns_, std::string name_) : ns(std::move(ns_)), name(std::move(name_)) {}
  std::string ns, name;
  std::string str() const { return ns.empty() ? name : ns + "/" + name; }
  auto operator<=>(const Key&) const = default;
};

struct KeyHash {
  std::size_t operator()(const Key& key) const {
    return std::hash<std::string>()(key.ns) * 31 + std::hash<std::string>()(key.name);
  }
};

}  // namespace mk::api
