#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "extensions/custom_resource.h"
#include "extensions/definition_strategy.h"
#include "mk/api/jsonpath.h"
#include "mk/api/structural.h"
#include "mk/api/validation.h"
#include "mk/base/strings.h"
#include "registry/strategies/fields.h"

namespace mk::apiserver {

using api::Json;

namespace {

using Causes = std::vector<Cause>;

constexpr std::string_view kApproved = "api-approved.kubernetes.io";
constexpr std::size_t kSelectableMax = 8;

std::string quoted(std::string_view text) {
  return api::to_json(api::text(text));
}

void check(Causes& causes, std::string path, std::string_view value, const std::string& wrong) {
  if (!wrong.empty()) causes.push_back(api::invalid(std::move(path), quoted(value), wrong));
}

void check_one_of(Causes& causes, std::string path, std::string_view value,
                  const std::vector<std::string>& supported) {
  if (std::find(supported.begin(), supported.end(), value) == supported.end())
    causes.push_back(api::not_supported(std::move(path), quoted(value), supported));
}

void validate_group(const Json& definition, Causes& causes) {
  const auto name = api::str(definition, "metadata.name"), group = api::str(definition, "spec.group"),
             plural = api::str(definition, "spec.names.plural");
  if (name != fmt::format("{}.{}", plural, group))
    causes.push_back(
        api::invalid("metadata.name", quoted(name), "must be spec.names.plural+\".\"+spec.group"));
  if (group.empty()) {
    causes.push_back(api::required("spec.group"));
  } else if (group.find('.') == std::string_view::npos) {
    causes.push_back(api::invalid("spec.group", quoted(group), "should be a domain with at least one dot"));
  } else {
    check(causes, "spec.group", group, api::check_dns1123_subdomain(group));
  }
  const bool theirs = group == "k8s.io" || group.ends_with(".k8s.io") || group == "kubernetes.io" ||
                      group.ends_with(".kubernetes.io");
  if (theirs && !api::object(definition, "metadata.annotations").contains(kApproved))
    causes.push_back(api::required(fmt::format("metadata.annotations[{}]", kApproved),
                                   fmt::format("protected groups must have approval annotation \"{}\", see "
                                               "https://github.com/kubernetes/enhancements/pull/1111",
                                               kApproved)));
}

void validate_names(const Json& names, Causes& causes) {
  for (const std::string field : {"plural", "singular", "kind", "listKind"}) {
    const auto value = api::str(names, field);
    const std::string path = "spec.names." + field;
    if (value.empty()) {
      causes.push_back(api::required(path));
    } else {
      check(causes, path, value,
            api::check_dns1035_label(field.ends_with("ind") ? to_lower(value) : std::string(value)));
    }
  }
  const auto kind = api::str(names, "kind");
  if (!kind.empty() && kind == api::str(names, "listKind"))
    causes.push_back(
        api::invalid("spec.names.listKind", quoted(kind), "kind and listKind may not be the same"));
  for (const std::string field : {"shortNames", "categories"}) {
    const auto& values = api::list(names, field);
    for (std::size_t i = 0; i < values.size(); ++i)
      check(causes, fmt::format("spec.names.{}[{}]", field, i), text_of(values[i]),
            api::check_dns1035_label(text_of(values[i])));
  }
}

void validate_columns(const Json& version, const std::string& path, Causes& causes) {
  static const std::vector<std::string> kTypes{"boolean", "date", "integer", "number", "string"};
  static const std::vector<std::string> kFormats{"binary", "bool",  "byte",  "date",  "date-time",
                                                 "double", "float", "int32", "int64", "password"};
  const auto& columns = api::list(version, "additionalPrinterColumns");
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const auto here = fmt::format("{}.additionalPrinterColumns[{}]", path, i);
    const auto type = api::str(columns[i], "type"), format = api::str(columns[i], "format"),
               json_path = api::str(columns[i], "jsonPath");
    if (api::str(columns[i], "name").empty()) causes.push_back(api::required(here + ".name"));
    if (type.empty()) {
      causes.push_back(api::required(here + ".type", fmt::format("must be one of {}", join(kTypes, ","))));
    } else {
      check_one_of(causes, here + ".type", type, kTypes);
    }
    if (!format.empty()) check_one_of(causes, here + ".format", format, kFormats);
    if (json_path.empty()) {
      causes.push_back(api::required(here + ".jsonPath"));
    } else if (auto parsed = api::JsonPath::parse_relaxed(json_path); !parsed.ok()) {
      causes.push_back(api::invalid(here + ".jsonPath", quoted(json_path), parsed.error().message()));
    }
  }
}

// A path of names alone, below one of the roots.
void check_simple_path(Causes& causes, const std::string& path, std::string_view value,
                       std::initializer_list<std::string_view> roots) {
  std::vector<std::string> allowed;
  bool right = value.find_first_of("[]*@'\"{}") == std::string_view::npos;
  bool below = false;
  for (const auto root : roots) {
    allowed.emplace_back(root);
    below = below || value.starts_with(std::string(root) + ".");
  }
  if (value.empty() || !right || !below)
    causes.push_back(api::invalid(path, quoted(value),
                                  fmt::format("should be a json path under {}", join(allowed, " or "))));
}

void validate_subresources(const Json& version, const std::string& path, Causes& causes) {
  const Json* scale = api::find(version, "subresources.scale");
  if (scale == nullptr) return;
  const auto here = path + ".subresources.scale";
  const auto replicas = api::str(*scale, "specReplicasPath"), status = api::str(*scale, "statusReplicasPath"),
             selector = api::str(*scale, "labelSelectorPath");
  if (replicas.empty()) {
    causes.push_back(api::required(here + ".specReplicasPath"));
  } else {
    check_simple_path(causes, here + ".specReplicasPath", replicas, {".spec"});
  }
  if (status.empty()) {
    causes.push_back(api::required(here + ".statusReplicasPath"));
  } else {
    check_simple_path(causes, here + ".statusReplicasPath", status, {".status"});
  }
  if (!selector.empty())
    check_simple_path(causes, here + ".labelSelectorPath", selector, {".spec", ".status"});
}

// The schema of a field by its path (".spec.color"); nullptr where the path leaves what is declared.
const Json* schema_at(const Json& schema, std::string_view path) {
  const Json* at = &schema;
  if (!path.starts_with('.')) return nullptr;
  for (const auto part : split(path.substr(1), '.')) {
    const auto* next = api::object(*at, "properties").if_contains(part);
    if (next == nullptr) return nullptr;
    at = next;
  }
  return at;
}

void validate_selectable(const Json& version, const Json& schema, const std::string& path, Causes& causes) {
  const auto& fields = api::list(version, "selectableFields");
  if (fields.size() > kSelectableMax)
    causes.emplace_back(
        path + ".selectableFields", "FieldValueTooMany",
        fmt::format("Too many: {}: must have at most {} items", fields.size(), kSelectableMax));
  std::set<std::string_view> seen;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const auto here = fmt::format("{}.selectableFields[{}].jsonPath", path, i);
    const auto value = api::str(fields[i], "jsonPath");
    if (value.empty()) {
      causes.push_back(api::required(here));
      continue;
    }
    if (!seen.insert(value).second) causes.push_back(api::duplicate(here, quoted(value)));
    const Json* field = schema_at(schema, value);
    if (field == nullptr) {
      causes.push_back(api::invalid(here, quoted(value), "does not refer to a valid field"));
      continue;
    }
    const auto type = api::str(*field, "type");
    if (value.starts_with(".metadata."))
      causes.push_back(api::invalid(here, quoted(value), "must not point to fields in metadata"));
    if (type != "string" && type != "integer" && type != "boolean")
      causes.push_back(api::invalid(
          here, quoted(value),
          "must point to a field of type string, boolean or integer. Enum string fields and strings with "
          "formats are allowed."));
  }
}

void validate_version(const Json& version, const std::string& path, Causes& causes) {
  const auto before = causes.size();
  const auto name = api::str(version, "name");
  check(causes, path + ".name", name, api::check_dns1035_label(name));
  if (api::flag(version, "deprecated") == false && api::find(version, "deprecationWarning") != nullptr)
    causes.push_back(api::invalid(path + ".deprecationWarning",
                                  quoted(api::str(version, "deprecationWarning")),
                                  "can only be set for deprecated versions"));
  const Json* schema = api::find(version, "schema.openAPIV3Schema");
  if (schema == nullptr) {
    causes.push_back(api::required(path + ".schema.openAPIV3Schema", "schemas are required"));
  } else {
    api::check_structural(*schema, path + ".schema.openAPIV3Schema", causes);
    if (causes.size() == before) (void)make_object_rules(*schema, path + ".schema.openAPIV3Schema", causes);
    validate_selectable(version, *schema, path, causes);
  }
  validate_columns(version, path, causes);
  validate_subresources(version, path, causes);
}

void validate_versions(const Json& spec, Causes& causes) {
  const auto& versions = api::list(spec, "versions");
  int stored = 0;
  std::set<std::string_view> names;
  bool unique = true;
  for (std::size_t i = 0; i < versions.size(); ++i) {
    unique = names.insert(api::str(versions[i], "name")).second && unique;
    stored += api::flag(versions[i], "storage");
    validate_version(versions[i], fmt::format("spec.versions[{}]", i), causes);
  }
  if (!unique)
    causes.push_back(
        api::invalid("spec.versions", api::to_json(Json(versions)), "must contain unique version names"));
  if (stored != 1)
    causes.push_back(api::invalid("spec.versions", api::to_json(Json(versions)),
                                  "must have exactly one version marked as storage version"));
}

void validate_conversion(const Json& spec, Causes& causes) {
  const auto strategy = api::str(spec, "conversion.strategy");
  check_one_of(causes, "spec.conversion.strategy", strategy, {"None", "Webhook"});
  const Json* webhook = api::find(spec, "conversion.webhook");
  if (strategy == "None" && webhook != nullptr)
    causes.push_back(
        api::forbidden("spec.conversion.webhook", "should not be set when strategy is not set to Webhook"));
  if (strategy != "Webhook") return;
  if (webhook == nullptr || api::find(*webhook, "clientConfig") == nullptr)
    causes.push_back(
        api::required("spec.conversion.webhook.clientConfig", "required when strategy is set to Webhook"));
  if (webhook != nullptr && api::list(*webhook, "conversionReviewVersions").empty())
    causes.push_back(api::required("spec.conversion.webhook.conversionReviewVersions"));
}

}  // namespace

void validate_definition(const Json& definition, Causes& causes) {
  static const Json kNone = api::JsonObject();
  const Json* found = api::find(definition, "spec");
  const Json& spec = found ? *found : kNone;
  const Json* names = api::find(spec, "names");
  validate_group(definition, causes);
  const auto scope = api::str(spec, "scope");
  if (scope.empty()) {
    causes.push_back(api::required("spec.scope"));
  } else {
    check_one_of(causes, "spec.scope", scope, {"Cluster", "Namespaced"});
  }
  if (api::flag(spec, "preserveUnknownFields"))
    causes.push_back(api::invalid("spec.preserveUnknownFields", "true",
                                  "must be false in order to use defaults in the schema"));
  validate_names(names ? *names : kNone, causes);
  validate_versions(spec, causes);
  validate_conversion(spec, causes);
}

}  // namespace mk::apiserver
