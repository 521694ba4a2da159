#include "registry/strategies/workload.h"

namespace mk::apiserver {

using api::Json;

void validate_counts(const Json& spec, const Path& path, Report& report) {
  for (const std::string_view field : {"replicas", "minReadySeconds", "revisionHistoryLimit"}) {
    check_non_negative(spec, field, path, report);
  }
}

const Json& spec_of(const Json& object) {
  static const Json none = api::JsonObject();
  const Json* spec = api::find(object, "spec");
  return spec ? *spec : none;
}

Json& ensure_object(Json& root, std::string_view path) {
  Json* there = edit(root, path);
  if (there == nullptr || !there->is_object()) {
    api::set(root, path, api::JsonObject());
    there = edit(root, path);
  }
  return *there;
}

void check_selector_immutable(const Json& object, const Json& old, Report& report) {
  check_immutable(object, old, "spec.selector", report);
}

void validate_replica_status(const Json& status, const Path& path, Report& report) {
  for (const std::string_view field :
       {"replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "updatedReplicas",
        "currentReplicas", "unavailableReplicas", "observedGeneration", "collisionCount"}) {
    check_non_negative(status, field, path, report);
  }
  const auto total = api::num(status, "replicas"), ready = api::num(status, "readyReplicas");
  for (const std::string_view field : {"fullyLabeledReplicas", "readyReplicas", "availableReplicas"}) {
    if (const auto count = api::num(status, field); count > total) {
      report.invalid(path.child(field), count, "cannot be greater than status.replicas");
    }
  }
  if (const auto available = api::num(status, "availableReplicas"); available > ready) {
    report.invalid(path.child("availableReplicas"), available, "cannot be greater than readyReplicas");
  }
}

}  // namespace mk::apiserver
