#include "admission/policies/match.h"

#include <algorithm>

namespace mk::apiserver {

using api::Json;

namespace {

std::vector<std::string> texts(const Json& object, std::string_view field) {
  std::vector<std::string> out;
  for (const auto& each : api::list(object, field)) {
    if (each.is_string()) out.emplace_back(each.get_string());
  }
  return out;
}

bool has(const std::vector<std::string>& list, std::string_view text) {
  return std::find_if(list.begin(), list.end(),
                      [&](const std::string& each) { return each == "*" || each == text; }) != list.end();
}

// "pods", "pods/status", "pods/*", "*/status", "*" (no subresources), "*/*".
bool names_resource(const std::string& pattern, std::string_view resource, std::string_view subresource) {
  const auto slash = pattern.find('/');
  const std::string_view all(pattern), wanted = all.substr(0, slash);
  const std::string_view sub = slash == std::string::npos ? std::string_view() : all.substr(slash + 1);
  if (wanted != "*" && wanted != resource) return false;
  if (slash == std::string::npos) return subresource.empty();
  return sub == "*" || sub == subresource;
}

// The first of the versions that is another one of this resource.
ResourceRef sibling(const std::vector<std::string>& versions, const api::Gvr& gvr,
                    const ResourceTable& table) {
  for (const auto& version : versions) {
    if (auto found = table.find(api::Gvr{gvr.group, version, gvr.resource})) return found;
  }
  return {};
}

api::LabelSelector selector_of(const Json* spec, std::string_view field) {
  const Json* selector = spec != nullptr ? api::find(*spec, field) : nullptr;
  if (selector == nullptr) return api::LabelSelector();
  auto parsed = api::LabelSelector::from_json(selector);
  return parsed.ok() ? std::move(*parsed) : api::LabelSelector::nothing();
}

}  // namespace

ResourceRule::ResourceRule(const Json& rule)
    : groups_(texts(rule, "apiGroups")),
      versions_(texts(rule, "apiVersions")),
      resources_(texts(rule, "resources")),
      operations_(texts(rule, "operations")),
      names_(texts(rule, "resourceNames")),
      scope_(api::str(rule, "scope", "*")) {}

bool ResourceRule::concerns(const api::ResourceInfo& resource, std::string_view subresource,
                            const ResourceTable& table, bool equivalent) const {
  if (!has(groups_, resource.gvr.group)) return false;
  if (!has(versions_, resource.gvr.version) && !(equivalent && sibling(versions_, resource.gvr, table)))
    return false;
  if (scope_ != "*" && (scope_ == "Namespaced") != resource.namespaced) return false;
  return std::any_of(resources_.begin(), resources_.end(), [&](const std::string& pattern) {
    return names_resource(pattern, resource.gvr.resource, subresource);
  });
}

ResourceRef ResourceRule::matching(const MatchInput& input, bool equivalent) const {
  const auto& context = input.context;
  if (!has(operations_, context.operation)) return {};
  if (!concerns(*context.resource, context.subresource, input.table, equivalent)) return {};
  std::string_view name = context.name;
  if (name.empty() && input.object != nullptr) name = api::str(*input.object, "metadata.name");
  if (!names_.empty() && std::find(names_.begin(), names_.end(), name) == names_.end()) return {};
  if (has(versions_, context.resource->gvr.version)) return context.resource;
  return sibling(versions_, context.resource->gvr, input.table);
}

MatchResources::MatchResources(const Json* spec)
    : namespaces_(selector_of(spec, "namespaceSelector")), objects_(selector_of(spec, "objectSelector")) {
  if (spec == nullptr) return;
  equivalent_ = api::str(*spec, "matchPolicy") != "Exact";
  for (const auto& rule : api::list(*spec, "resourceRules")) rules_.emplace_back(rule);
  for (const auto& rule : api::list(*spec, "excludeResourceRules")) excluded_.emplace_back(rule);
}

bool MatchResources::concerns(const api::ResourceInfo& resource, std::string_view subresource,
                              const ResourceTable& table) const {
  return rules_.empty() || std::any_of(rules_.begin(), rules_.end(), [&](const ResourceRule& rule) {
           return rule.concerns(resource, subresource, table, equivalent_);
         });
}

ResourceRef MatchResources::matching(const MatchInput& input) const {
  // A rule that names the request's own version comes before one that names another.
  const auto first = [&](const std::vector<ResourceRule>& rules) {
    for (const bool equivalent : {false, true}) {
      for (const auto& rule : rules) {
        if (auto found = rule.matching(input, equivalent && equivalent_)) return found;
      }
    }
    return ResourceRef();
  };
  if (first(excluded_)) return {};
  ResourceRef out = rules_.empty() ? input.context.resource : first(rules_);
  if (!out || !namespace_matches(namespaces_, input) || !object_matches(objects_, input)) return {};
  return out;
}

bool namespace_matches(const api::LabelSelector& selector, const MatchInput& input) {
  if (selector.everything()) return true;
  const auto& context = input.context;
  if (context.resource->gvr.qualified() == "namespaces") {
    const Json* about = input.object != nullptr ? input.object : input.old;
    return about == nullptr || selector.matches(api::object(*about, "metadata.labels"));
  }
  if (!context.resource->namespaced) return true;
  const auto ns = input.cacher.get(api::resources::kNamespaces, api::Key("", context.ns));
  return ns && selector.matches(api::object(ns.json(), "metadata.labels"));
}

bool object_matches(const api::LabelSelector& selector, const MatchInput& input) {
  if (selector.everything()) return true;
  return (input.object != nullptr && selector.matches(api::object(*input.object, "metadata.labels"))) ||
         (input.old != nullptr && selector.matches(api::object(*input.old, "metadata.labels")));
}

}  // namespace mk::apiserver
