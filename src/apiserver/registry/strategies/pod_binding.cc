#include "registry/strategies/pod_binding.h"

#include <fmt/format.h>

#include "mk/api/types.h"

namespace mk::apiserver {

using api::Json;

namespace {

Error conflict(std::string_view pod, const std::string& why) {
  Error error(Reason::kConflict,
              fmt::format("Operation cannot be fulfilled on pods/binding \"{}\": {}", pod, why));
  error.kind = "pods/binding";
  error.name = pod;
  return error;
}

Result<void> validate_binding(const Json& binding) {
  std::vector<Cause> causes;
  Report report(causes);
  const Path target("target");
  const auto kind = api::str(binding, "target.kind");
  if (!kind.empty() && kind != "Node") report.not_supported(target.child("kind"), kind, {"<empty>", "Node"});
  if (api::str(binding, "target.name").empty()) report.required(target.child("name"));
  if (causes.empty()) return ok();
  return api::invalid_object({"", "v1", "Binding"}, api::str(binding, "metadata.name"), std::move(causes));
}

void set_scheduled(Json& pod, std::string_view now) {
  if (!api::find(pod, "status.conditions")) api::set(pod, "status.conditions", api::JsonArray());
  auto* conditions = edit_list(pod, "status.conditions");
  if (conditions == nullptr) return;
  Json scheduled(api::JsonObject{{"type", "PodScheduled"}, {"status", "True"}});
  api::set(scheduled, "lastTransitionTime", api::text(now));
  if (const Json* generation = api::find(pod, "metadata.generation")) {
    api::set(scheduled, "observedGeneration", Json(*generation));
  }
  for (auto& condition : *conditions) {
    if (api::str(condition, "type") != "PodScheduled") continue;
    if (api::str(condition, "status") == "True") copy_field(scheduled, condition, "lastTransitionTime");
    condition = std::move(scheduled);
    return;
  }
  conditions->push_back(std::move(scheduled));
}

}  // namespace

Result<void> bind_pod(Json& pod, const Json& binding, std::string_view now) {
  MK_TRY(validate_binding(binding));
  const std::string name(api::str(pod, "metadata.name"));
  const auto uid = api::str(binding, "metadata.uid");
  if (!uid.empty() && uid != api::str(pod, "metadata.uid")) {
    return conflict(name, fmt::format("Precondition failed: UID in precondition: {}, UID in object meta: {}",
                                      uid, api::str(pod, "metadata.uid")));
  }
  if (api::find(pod, "metadata.deletionTimestamp")) {
    return conflict(name, fmt::format("pod {} is being deleted, cannot be assigned to a host", name));
  }
  if (const auto node = api::str(pod, "spec.nodeName"); !node.empty()) {
    return conflict(name, fmt::format("pod {} is already assigned to node \"{}\"", name, node));
  }
  if (!api::list(pod, "spec.schedulingGates").empty()) {
    return conflict(name, fmt::format("pod {} has non-empty .spec.schedulingGates", name));
  }
  api::set(pod, "spec.nodeName", api::text(api::str(binding, "target.name")));
  for (const auto part : {"metadata.annotations", "metadata.labels"}) {
    for (const auto& entry : api::object(binding, part)) {
      default_to(pod, part, api::JsonObject());
      edit(pod, part)->as_object()[entry.key()] = entry.value();
    }
  }
  set_scheduled(pod, now);
  return ok();
}

}  // namespace mk::apiserver
