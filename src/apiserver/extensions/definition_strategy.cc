#include "extensions/definition_strategy.h"

#include <fmt/format.h>

#include <algorithm>

#include "mk/base/strings.h"
#include "registry/metadata.h"
#include "registry/strategies/fields.h"

namespace mk::apiserver {

using api::Json;
using api::JsonArray;
using api::JsonObject;

namespace {

std::string storage_version(const Json& definition) {
  for (const auto& version : api::list(definition, "spec.versions")) {
    if (api::flag(version, "storage")) return std::string(api::str(version, "name"));
  }
  return "";
}

// A version that was ever stored stays noted until somebody has migrated the objects and says so.
void note_stored_version(Json& definition) {
  const auto stored = api::text(storage_version(definition));
  JsonArray noted = api::list(definition, "status.storedVersions");
  if (std::find(noted.begin(), noted.end(), stored) != noted.end()) return;
  noted.push_back(stored);
  api::set(definition, "status.storedVersions", std::move(noted));
}

bool established(const Json& definition) {
  for (const auto& condition : api::list(definition, "status.conditions")) {
    if (api::str(condition, "type") == "Established") return api::str(condition, "status") == "True";
  }
  return false;
}

void validate_stored_versions(const Json& definition, std::vector<Cause>& causes) {
  const auto& stored = api::list(definition, "status.storedVersions");
  if (stored.empty())
    causes.push_back(api::invalid("status.storedVersions", "[]", "must have at least one stored version"));
  const auto& versions = api::list(definition, "spec.versions");
  for (std::size_t i = 0; i < stored.size(); ++i) {
    const bool known = std::any_of(versions.begin(), versions.end(), [&](const Json& version) {
      return api::str(version, "name") == text_of(stored[i]);
    });
    if (known) continue;
    const auto name = text_of(stored[i]);
    causes.push_back(api::invalid(
        fmt::format("status.storedVersions[{}]", i), api::to_json(stored[i]),
        fmt::format("missing from spec.versions; {} was previously a storage version, and must remain in "
                    "spec.versions until a storage migration ensures no data remains persisted in {} and "
                    "removes {} from status.storedVersions",
                    name, name, name)));
  }
}

class DefinitionStrategy final : public Strategy {
 public:
  void set_defaults(Json& definition) const override {
    Json* spec = edit(definition, "spec");
    if (spec == nullptr) return;
    const std::string kind(api::str(*spec, "names.kind"));
    if (!kind.empty()) {
      default_text(*spec, "names.singular", to_lower(kind));
      default_text(*spec, "names.listKind", kind + "List");
    }
    if (edit(*spec, "conversion") == nullptr) api::set(*spec, "conversion", JsonObject());
    default_text(*spec, "conversion.strategy", "None");
    if (Json* service = edit(*spec, "conversion.webhook.clientConfig.service"))
      default_to(*service, "port", 443);
  }

  void prepare_for_create(const WriteContext& context, Json& definition) const override {
    JsonObject status;
    status["conditions"] = JsonArray();
    status["acceptedNames"] = JsonObject{{"kind", ""}, {"plural", ""}};
    status["storedVersions"] = JsonArray();
    definition.as_object()["status"] = std::move(status);
    note_stored_version(definition);
  }

  void prepare_for_update(const WriteContext& context, Json& definition, const Json& old) const override {
    Strategy::prepare_for_update(context, definition, old);
    if (context.subresource.empty()) note_stored_version(definition);
  }

  void validate(const WriteContext& context, const Json& definition, Causes& causes) const override {
    validate_definition(definition, causes);
  }

  void validate_update(const WriteContext& context, const Json& definition, const Json& old,
                       Causes& causes) const override {
    validate_stored_versions(definition, causes);
    Report report(causes);
    std::vector<std::string_view> fixed{"spec.group", "spec.names.plural"};
    if (established(old)) fixed.insert(fixed.end(), {"spec.scope", "spec.names.kind"});
    for (const auto field : fixed) check_immutable(definition, old, field, report);
  }

  void validate_status_update(const Json& definition, const Json& old, Causes& causes) const override {
    validate_stored_versions(definition, causes);
  }

  void begin_deletion(const WriteContext& context, Json& definition) const override {
    set_finalizer(definition, kCleanupFinalizer, true);
    set_definition_condition(
        definition, "Terminating", "True", "InstanceDeletionPending",
        "CustomResourceDefinition marked for deletion; CustomResource deletion will begin "
        "soon",
        context.now);
  }
};

}  // namespace

bool set_definition_condition(Json& definition, std::string_view type, std::string_view status,
                              std::string_view reason, std::string_view message, std::string_view now) {
  JsonArray conditions = api::list(definition, "status.conditions");
  auto found = std::find_if(conditions.begin(), conditions.end(),
                            [&](const Json& condition) { return api::str(condition, "type") == type; });
  if (found == conditions.end()) found = conditions.insert(conditions.end(), Json(JsonObject()));
  JsonObject made{{"type", api::text(type)},
                  {"status", api::text(status)},
                  {"reason", api::text(reason)},
                  {"message", api::text(message)}};
  const bool turned = api::str(*found, "status") != status;
  const Json* since = api::find(*found, "lastTransitionTime");
  made["lastTransitionTime"] = turned || since == nullptr ? api::text(now) : *since;
  if (found->get_object() == made) return false;
  *found = std::move(made);
  api::set(definition, "status.conditions", std::move(conditions));
  return true;
}

std::unique_ptr<Strategy> make_definition_strategy() {
  return std::make_unique<DefinitionStrategy>();
}

}  // namespace mk::apiserver
