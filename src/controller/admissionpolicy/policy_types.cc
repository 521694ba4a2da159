#include "admissionpolicy/policy_types.h"

#include <algorithm>
#include <optional>

#include "mk/api/resource.h"

namespace mk::controller {

using api::Json;

namespace {

constexpr std::size_t kKindsMax = 10;

// The version of a definition, if it serves it.
const Json* served_version(const Json& definition, std::string_view version) {
  for (const auto& each : api::list(definition, "spec.versions")) {
    if (api::str(each, "name") == version && api::flag(each, "served")) return &each;
  }
  return nullptr;
}

std::optional<api::Gvk> kind_of(const api::Gvr& gvr, const std::vector<api::Object>& definitions) {
  if (const auto* builtin = api::find_builtin(gvr)) return builtin->gvk();
  for (const auto& definition : definitions) {
    const Json& json = definition.json();
    if (api::str(json, "spec.group") != gvr.group || api::str(json, "spec.names.plural") != gvr.resource)
      continue;
    if (served_version(json, gvr.version))
      return api::Gvk{gvr.group, gvr.version, std::string(api::str(json, "spec.names.kind"))};
  }
  return std::nullopt;
}

// The texts of a list; none when a wildcard is among them.
std::vector<std::string> named(const Json& rule, std::string_view field) {
  std::vector<std::string> out;
  for (const auto& each : api::list(rule, field)) {
    if (!each.is_string()) continue;
    std::string text(each.get_string());
    if (text.find('*') != std::string::npos) return {};
    out.push_back(std::move(text));
  }
  return out;
}

}  // namespace

std::vector<api::Gvk> kinds_of_rules(const Json& spec, const std::vector<api::Object>& definitions) {
  std::vector<api::Gvk> out;
  for (const auto& rule : api::list(spec, "matchConstraints.resourceRules")) {
    for (const auto& group : named(rule, "apiGroups")) {
      for (const auto& version : named(rule, "apiVersions")) {
        for (const auto& resource : named(rule, "resources")) {
          const auto kind = kind_of(api::Gvr{group, version, resource}, definitions);
          if (kind && out.size() < kKindsMax && std::find(out.begin(), out.end(), *kind) == out.end())
            out.push_back(*kind);
        }
      }
    }
  }
  return out;
}

PolicyTypes::PolicyTypes(const Json& spec, const api::Gvk& kind, const std::vector<api::Object>& definitions)
    : builtin_(api::builtin_schema()), object_(type_of(kind, definitions)) {
  if (const Json* params = api::find(spec, "paramKind"))
    params_ =
        type_of(api::parse_gvk(api::str(*params, "apiVersion"), api::str(*params, "kind")), definitions);
}

cel::TypePtr PolicyTypes::type_of(const api::Gvk& gvk, const std::vector<api::Object>& definitions) {
  for (const auto& definition : definitions) {
    const Json& json = definition.json();
    if (api::str(json, "spec.group") != gvk.group || api::str(json, "spec.names.kind") != gvk.kind) continue;
    const Json* version = served_version(json, gvk.version);
    const Json* schema = version != nullptr ? api::find(*version, "schema.openAPIV3Schema") : nullptr;
    if (schema == nullptr) continue;
    custom_.push_back(std::make_unique<cel::SchemaTypes>(*schema, gvk.api_version() + "." + gvk.kind));
    return custom_.back()->root().type;
  }
  return builtin_.of(gvk);
}

const cel::TypeProvider& PolicyTypes::of(std::string_view type_name) const {
  for (const auto& each : custom_) {
    if (each->has_type(type_name)) return *each;
  }
  return builtin_;
}

bool PolicyTypes::has_type(std::string_view type_name) const {
  return of(type_name).has_type(type_name);
}

cel::TypePtr PolicyTypes::field(std::string_view type_name, std::string_view field_name) const {
  return of(type_name).field(type_name, field_name);
}

std::string PolicyTypes::property(std::string_view type_name, std::string_view field_name) const {
  return of(type_name).property(type_name, field_name);
}

}  // namespace mk::controller
