#include "extensions/names.h"

#include <fmt/format.h>

#include <set>

#include "extensions/definition_strategy.h"

namespace mk::apiserver {

using api::Json;
using api::JsonArray;

namespace {

using Names = std::set<std::string, std::less<>>;

void take(Names& names, std::string_view name) {
  if (!name.empty()) names.emplace(name);
}

// What the others have: resources (plural, singular and short names are one space) and kinds.
struct Taken {
  Names resources, kinds;

  explicit Taken(const std::vector<Json>& others) {
    for (const Json& names : others) {
      take(resources, api::str(names, "plural"));
      take(resources, api::str(names, "singular"));
      for (const auto& name : api::list(names, "shortNames")) {
        if (const auto* text = name.if_string()) take(resources, *text);
      }
      take(kinds, api::str(names, "kind"));
      take(kinds, api::str(names, "listKind"));
    }
  }
};

struct Conflict {
  std::string_view reason;
  std::string message;
};

// The names to show as accepted; the last conflict found is the one that is told.
class Acceptance {
 public:
  Acceptance(const Json& wanted, Json accepted, const Taken& taken)
      : wanted_(wanted), accepted_(std::move(accepted)), taken_(taken) {}

  void run() {
    one("plural", taken_.resources, "PluralConflict");
    one("singular", taken_.resources, "SingularConflict");
    short_names();
    one("kind", taken_.kinds, "KindConflict");
    one("listKind", taken_.kinds, "ListKindConflict");
    if (!conflict.reason.empty()) return;
    copy("categories");
  }

  Json accepted() && { return std::move(accepted_); }
  Conflict conflict;

 private:
  void copy(std::string_view field) {
    if (const Json* value = api::find(wanted_, field)) {
      api::set(accepted_, field, *value);
    } else {
      api::erase(accepted_, field);
    }
  }

  bool free(std::string_view name, const Names& taken, std::string_view reason) {
    if (name.empty() || !taken.contains(name)) return true;
    conflict = {reason, fmt::format("\"{}\" is already in use", name)};
    return false;
  }

  void one(std::string_view field, const Names& taken, std::string_view reason) {
    if (free(api::str(wanted_, field), taken, reason)) copy(field);
  }

  void short_names() {
    bool all = true;
    for (const auto& name : api::list(wanted_, "shortNames")) {
      if (const auto* text = name.if_string())
        all = free(*text, taken_.resources, "ShortNamesConflict") && all;
    }
    if (all) copy("shortNames");
  }

  const Json& wanted_;
  Json accepted_;
  const Taken& taken_;
};

bool has_true(const Json& definition, std::string_view type) {
  for (const auto& condition : api::list(definition, "status.conditions")) {
    if (api::str(condition, "type") == type) return api::str(condition, "status") == "True";
  }
  return false;
}

bool note_approval(Json& definition, std::string_view now) {
  const auto* value =
      api::object(definition, "metadata.annotations").if_contains("api-approved.kubernetes.io");
  const auto* text = value ? value->if_string() : nullptr;
  const auto group = api::str(definition, "spec.group");
  const bool theirs = group.ends_with(".k8s.io") || group.ends_with(".kubernetes.io");
  if (!theirs || text == nullptr) return false;
  const std::string_view approval(*text);
  constexpr std::string_view kType = "KubernetesAPIApprovalPolicyConformant";
  if (approval.starts_with("http"))
    return set_definition_condition(definition, kType, "True", "ApprovedAnnotation",
                                    fmt::format("approved in {}", approval), now);
  return set_definition_condition(definition, kType, "False", "UnapprovedAnnotation",
                                  fmt::format("not approved: \"{}\"", approval), now);
}

}  // namespace

bool accept_names(Json& definition, const std::vector<Json>& others, std::string_view now) {
  const Taken taken(others);
  const Json wanted = *api::find(definition, "spec.names");
  const Json* before = api::find(definition, "status.acceptedNames");
  Acceptance acceptance(wanted, before ? *before : Json(api::JsonObject()), taken);
  acceptance.run();
  const Conflict conflict = acceptance.conflict;
  Json accepted = std::move(acceptance).accepted();
  bool changed = before == nullptr || *before != accepted;
  if (changed) api::set(definition, "status.acceptedNames", std::move(accepted));
  const bool good = conflict.reason.empty();
  changed = set_definition_condition(definition, "NamesAccepted", good ? "True" : "False",
                                     good ? "NoConflicts" : conflict.reason,
                                     good ? "no conflicts found" : conflict.message, now) ||
            changed;
  // Once established, a definition stays so.
  if (!has_true(definition, "Established")) {
    changed =
        set_definition_condition(
            definition, "Established", good ? "True" : "False", good ? "InitialNamesAccepted" : "NotAccepted",
            good ? "the initial names have been accepted" : "not all names are accepted", now) ||
        changed;
  }
  return note_approval(definition, now) || changed;
}

}  // namespace mk::apiserver
