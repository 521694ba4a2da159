#include <algorithm>
#include <cctype>
#include <set>
#include <tuple>

#include "mk/api/resource.h"
#include "mk/base/strings.h"

namespace mk::api {
namespace {

// v<major>, v<major>alpha<minor>, v<major>beta<minor>; anything else has stage -1.
struct VersionRank {
  int stage = -1;  // 2: stable, 1: beta, 0: alpha
  std::int64_t major = 0, minor = 0;
};

VersionRank rank_of(std::string_view version) {
  VersionRank out;
  if (version.size() < 2 || version[0] != 'v') return out;
  std::size_t end = 1;
  while (end < version.size() && std::isdigit(static_cast<unsigned char>(version[end]))) ++end;
  const auto major = parse_int(version.substr(1, end - 1));
  if (end == 1 || !major) return out;
  out.major = *major;
  const auto rest = version.substr(end);
  if (rest.empty()) {
    out.stage = 2;
    return out;
  }
  const bool alpha = rest.starts_with("alpha"), beta = rest.starts_with("beta");
  const auto minor = alpha || beta ? parse_int(rest.substr(alpha ? 5 : 4)) : std::nullopt;
  if (!minor) return VersionRank();
  out.stage = beta ? 1 : 0;
  out.minor = *minor;
  return out;
}

std::vector<std::string> texts(const Json& node, std::string_view path) {
  std::vector<std::string> out;
  for (const auto& entry : list(node, path)) {
    if (const auto* text = entry.if_string()) out.emplace_back(*text);
  }
  return out;
}

bool established(const Json& definition) {
  for (const auto& condition : list(definition, "status.conditions")) {
    if (str(condition, "type") == "Established") return str(condition, "status") == "True";
  }
  return false;
}

// A definition cannot take the place of a resource that is built in: its objects are not the definition's.
bool built_in(const Json& definition) {
  static const auto* names = [] {
    auto* made = new std::set<std::string>;
    for (const auto& resource : builtin_resources()) made->insert(resource.gvr.qualified());
    return made;
  }();
  const Gvr gvr{std::string(str(definition, "spec.group")), "",
                std::string(str(definition, "spec.names.plural"))};
  return names->contains(gvr.qualified());
}

const std::vector<std::string> kReadWrite{"get", "patch", "update"};

void add_subresources(const Json& version, ResourceInfo& resource) {
  if (find(version, "subresources.status"))
    resource.subresources.push_back({"status", resource.gvk(), kReadWrite});
  if (find(version, "subresources.scale"))
    resource.subresources.push_back({"scale", {"autoscaling", "v1", "Scale"}, kReadWrite});
}

}  // namespace

bool preferred_version(std::string_view left, std::string_view right) {
  const auto a = rank_of(left), b = rank_of(right);
  if ((a.stage < 0) != (b.stage < 0)) return b.stage < 0;
  if (a.stage < 0) return left < right;
  return std::tie(a.stage, a.major, a.minor) > std::tie(b.stage, b.major, b.minor);
}

std::vector<ResourceInfo> defined_resources(const Json& definition) {
  std::vector<ResourceInfo> out;
  if (!established(definition) || built_in(definition)) return out;
  // Whoever has a webhook convert needs more than another apiVersion: until webhooks are asked, the form that
  // is stored is the only one that is right.
  const bool converted = str(definition, "spec.conversion.strategy") == "Webhook";
  for (const auto& version : list(definition, "spec.versions")) {
    if (!flag(version, "served") || (converted && !flag(version, "storage"))) continue;
    auto& resource = out.emplace_back();
    resource.gvr = {std::string(str(definition, "spec.group")), std::string(str(version, "name")),
                    std::string(str(definition, "status.acceptedNames.plural"))};
    resource.kind = str(definition, "status.acceptedNames.kind");
    resource.singular = str(definition, "status.acceptedNames.singular");
    resource.namespaced = str(definition, "spec.scope") == "Namespaced";
    resource.verbs = {"delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"};
    resource.short_names = texts(definition, "status.acceptedNames.shortNames");
    resource.categories = texts(definition, "status.acceptedNames.categories");
    add_subresources(version, resource);
    for (const auto& field : list(version, "selectableFields")) {
      const auto path = str(field, "jsonPath");
      if (path.starts_with('.')) resource.selectable_fields.emplace_back(path.substr(1));
    }
  }
  std::sort(out.begin(), out.end(), [](const auto& left, const auto& right) {
    return preferred_version(left.gvr.version, right.gvr.version);
  });
  return out;
}

}  // namespace mk::api
