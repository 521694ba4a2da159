#include "registry/strategies/pod_update.h"

#include <fmt/format.h>

#include <algorithm>

#include "registry/strategies/containers.h"
#include "registry/strategies/resources.h"
#include "registry/strategies/scheduling.h"

namespace mk::apiserver {

using api::Json;

namespace {

constexpr std::string_view kOnlyThese =
    "pod updates may not change fields other than "
    "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec."
    "tolerations` (only "
    "additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it "
    "was "
    "previously negative)";

bool same_count(const Json& spec, const Json& old, std::string_view field, const Path& path, Report& report) {
  if (api::list(spec, field).size() == api::list(old, field).size()) return true;
  report.forbidden(path.child(field), "pod updates may not add or remove containers");
  return false;
}

void validate_deadline(const Json& spec, const Json& old, const Path& path, Report& report) {
  if (!api::find(old, "activeDeadlineSeconds")) return;
  const Path deadline = path.child("activeDeadlineSeconds");
  if (!api::find(spec, "activeDeadlineSeconds")) {
    return report.invalid(deadline, Json(), "must not update from a positive integer to nil value");
  }
  const auto seconds = api::num(spec, "activeDeadlineSeconds");
  if (seconds > api::num(old, "activeDeadlineSeconds")) {
    report.invalid(deadline, seconds, "must be less than or equal to previous value");
  }
}

// Tolerations may be added, and their seconds changed.
void validate_toleration_additions(const Json& spec, const Json& old, const Path& path, Report& report) {
  const auto& now = api::list(spec, "tolerations");
  for (const auto& before : api::list(old, "tolerations")) {
    const auto wanted = without(before, {"tolerationSeconds"});
    const bool kept = std::any_of(now.begin(), now.end(), [&](const Json& toleration) {
      return without(toleration, {"tolerationSeconds"}) == wanted;
    });
    if (!kept) {
      return report.forbidden(path.child("tolerations"),
                              "existing toleration can not be modified except its tolerationSeconds");
    }
  }
}

void validate_gate_removal(const Json& spec, const Json& old, const Path& path, Report& report) {
  const auto& before = api::list(old, "schedulingGates");
  for (const auto& gate : api::list(spec, "schedulingGates")) {
    const auto name = api::str(gate, "name");
    const bool known =
        std::any_of(before.begin(), before.end(), [&](const Json& g) { return api::str(g, "name") == name; });
    if (!known) {
      report.forbidden(path.child("schedulingGates"),
                       fmt::format("only deletion is allowed, but found new scheduling gate '{}'", name));
    }
  }
}

bool includes_all(const api::JsonArray& all, const api::JsonArray& some) {
  return std::all_of(some.begin(), some.end(),
                     [&](const Json& one) { return std::find(all.begin(), all.end(), one) != all.end(); });
}

// The required terms of a gated pod may become stricter, never wider.
void validate_node_affinity_mutation(const Json& spec, const Json& old, const Path& path, Report& report) {
  static constexpr auto kTerms =
      "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms";
  const auto& before = api::list(old, kTerms);
  const auto& after = api::list(spec, kTerms);
  if (before.empty()) return;
  const Path terms = path.child(kTerms);
  if (before.size() != after.size()) {
    const Json value(after);
    return report.invalid(terms, value,
                          "no additions/deletions to non-empty NodeSelectorTerms list are allowed");
  }
  for (std::size_t i = 0; i < before.size(); ++i) {
    for (const auto field : {"matchExpressions", "matchFields"}) {
      if (!includes_all(api::list(after[i], field), api::list(before[i], field))) {
        const Path term = terms[i];
        report.invalid(term, after[i], "only additions are allowed (no mutations or deletions)");
      }
    }
  }
}

// A pod behind scheduling gates may still be steered.
void allow_gated_changes(Json& munged, const Json& spec, const Json& old, const Path& path, Report& report) {
  for (const auto& entry : api::object(old, "nodeSelector")) {
    const Json* now = api::object(spec, "nodeSelector").if_contains(entry.key());
    if (now == nullptr || *now != entry.value()) {
      report.invalid(path.child("nodeSelector"), Json(api::object(spec, "nodeSelector")),
                     "only additions to spec.nodeSelector are allowed (no mutations or deletions)");
      break;
    }
  }
  copy_field(munged, old, "nodeSelector");
  validate_node_affinity_mutation(spec, old, path, report);
  copy_field(munged, old, "affinity.nodeAffinity");
  if (api::find(old, "affinity") == nullptr && api::object(munged, "affinity").empty())
    api::erase(munged, "affinity");
}

// The new spec, with everything that may differ made as it was.
Json munge(const Json& spec, const Json& old) {
  Json munged = spec;
  for (const auto field : {"containers", "initContainers"}) {
    auto* containers = edit_list(munged, field);
    const auto& before = api::list(old, field);
    for (std::size_t i = 0; containers && i < containers->size() && i < before.size(); ++i) {
      copy_field((*containers)[i], before[i], "image");
    }
  }
  for (const auto field : {"activeDeadlineSeconds", "schedulingGates", "tolerations"})
    copy_field(munged, old, field);
  if (api::num(old, "terminationGracePeriodSeconds") < 0 &&
      api::num(spec, "terminationGracePeriodSeconds") == 1) {
    copy_field(munged, old, "terminationGracePeriodSeconds");
  }
  return munged;
}

// The fields that differ, for people.
std::string differences(const Json& now, const Json& before) {
  std::string text;
  const auto line = [&](char sign, std::string_view key, const Json& value) {
    text += fmt::format("\n{} {}: {}", sign, key, api::to_json(value));
  };
  for (const auto& entry : api::object(before, "")) {
    const Json* after = api::member(now, entry.key());
    if (after == nullptr || *after != entry.value()) line('-', entry.key(), entry.value());
  }
  for (const auto& entry : api::object(now, "")) {
    const Json* was = api::member(before, entry.key());
    if (was == nullptr || *was != entry.value()) line('+', entry.key(), entry.value());
  }
  return text;
}

}  // namespace

void validate_pod_update(const Json& pod, const Json& old_pod, Report& report) {
  const Json* spec = api::find(pod, "spec");
  const Json* old = api::find(old_pod, "spec");
  if (spec == nullptr || old == nullptr) return;
  const Path path("spec");
  if (!same_count(*spec, *old, "containers", path, report)) return;
  if (!same_count(*spec, *old, "initContainers", path, report)) return;
  validate_deadline(*spec, *old, path, report);
  validate_gate_removal(*spec, *old, path, report);
  validate_toleration_additions(*spec, *old, path, report);
  Json munged = munge(*spec, *old);
  if (!api::list(*old, "schedulingGates").empty()) allow_gated_changes(munged, *spec, *old, path, report);
  if (munged != *old) report.forbidden(path, std::string(kOnlyThese) + differences(munged, *old));
}

void validate_pod_status_update(const Json& pod, const Json& old, Report& report) {
  const auto nominated = api::str(pod, "status.nominatedNodeName");
  const Path path("status");
  if (!nominated.empty()) {
    report.check(path.child("nominatedNodeName"), nominated, api::check_dns1123_subdomain(nominated));
  }
  const auto& statuses = api::list(pod, "status.containerStatuses");
  const auto& before = api::list(old, "status.containerStatuses");
  if (api::str(pod, "spec.restartPolicy") == "Always") return;
  // A container that ended for good does not run again.
  const Path statuses_path = path.child("containerStatuses");
  for (std::size_t i = 0; i < statuses.size(); ++i) {
    for (const auto& was : before) {
      if (api::str(was, "name") != api::str(statuses[i], "name")) continue;
      const Json* ended = api::find(was, "state.terminated");
      const bool final =
          ended && (api::str(pod, "spec.restartPolicy") == "Never" || api::num(*ended, "exitCode") == 0);
      if (final && !api::find(statuses[i], "state.terminated")) {
        const Path status_path = statuses_path[i];
        report.forbidden(status_path.child("state"), "may not be transitioned to non-terminated state");
      }
    }
  }
}

namespace {

void keep_bookkeeping(Json& kept, const Json& pod) {
  for (const auto field : {"metadata.managedFields", "metadata.resourceVersion"}) {
    if (const Json* value = api::find(pod, field)) api::set(kept, field, *value);
  }
}

}  // namespace

void keep_only_ephemeral_containers(Json& pod, const Json& old) {
  Json kept = old;
  copy_field(kept, pod, "spec.ephemeralContainers");
  keep_bookkeeping(kept, pod);
  pod = std::move(kept);
}

void validate_ephemeral_containers_update(const Json& pod, const Json& old, Report& report) {
  const Path spec("spec");
  const Path path = spec.child("ephemeralContainers");
  const auto& containers = api::list(pod, "spec.ephemeralContainers");
  for (const auto& before : api::list(old, "spec.ephemeralContainers")) {
    const auto name = api::str(before, "name");
    const auto now = std::find_if(containers.begin(), containers.end(),
                                  [&](const Json& c) { return api::str(c, "name") == name; });
    if (now == containers.end()) {
      report.forbidden(path, fmt::format("existing ephemeral containers \"{}\" may not be removed\n", name));
    } else if (*now != before) {
      report.forbidden(path, fmt::format("existing ephemeral containers \"{}\" may not be changed\n", name));
    }
  }
}

namespace {

void take_resources(Json& kept, const Json& pod, std::string_view field) {
  auto* containers = edit_list(kept, field);
  if (containers == nullptr) return;
  for (auto& container : *containers) {
    for (const auto& now : api::list(pod, field)) {
      if (api::str(now, "name") != api::str(container, "name")) continue;
      copy_field(container, now, "resources");
      copy_field(container, now, "resizePolicy");
    }
  }
}

void validate_no_removal(const Json& now, const Json& before, std::string_view part, const Path& path,
                         Report& report) {
  for (const auto& entry : api::object(before, part)) {
    if (!api::object(now, part).contains(entry.key())) {
      report.forbidden(path.child(part), fmt::format("resource {} cannot be removed", part));
      return;
    }
  }
}

Json resources_of(const Json& container) {
  const Json* resources = api::find(container, "resources");
  return resources ? *resources : Json(api::JsonObject());
}

// Everything of the resources but cpu and memory.
Json fixed_resources(Json resources) {
  for (const auto part : {"limits", "requests"}) {
    Json* list = edit(resources, part);
    if (list == nullptr || !list->is_object()) continue;
    list->get_object().erase("cpu");
    list->get_object().erase("memory");
    if (list->get_object().empty()) api::erase(resources, part);
  }
  return resources;
}

void validate_resized(const Json& pod, const Json& old, std::string_view field, const Path& path,
                      Report& report) {
  const auto& containers = api::list(pod, field);
  const auto& before = api::list(old, field);
  for (std::size_t i = 0; i < containers.size() && i < before.size(); ++i) {
    const Json now = resources_of(containers[i]), was = resources_of(before[i]);
    if (now == was) continue;
    const Path container_path = path[i];
    const Path resources_path = container_path.child("resources");
    if (field == "spec.initContainers" && api::str(containers[i], "restartPolicy") != "Always") {
      report.forbidden(resources_path, "resources for non-sidecar init containers are immutable");
      continue;
    }
    if (fixed_resources(now) != fixed_resources(was)) {
      report.forbidden(resources_path, "only cpu and memory resources are mutable");
    }
    validate_no_removal(now, was, "limits", resources_path, report);
    validate_no_removal(now, was, "requests", resources_path, report);
  }
}

}  // namespace

void keep_only_resize(Json& pod, const Json& old) {
  Json kept = old;
  take_resources(kept, pod, "spec.containers");
  take_resources(kept, pod, "spec.initContainers");
  keep_bookkeeping(kept, pod);
  pod = std::move(kept);
}

void validate_resize(const Json& pod, const Json& old, Report& report) {
  const Path spec("spec");
  if (!api::object(pod, "metadata.annotations").empty() &&
      api::object(pod, "metadata.annotations").contains("kubernetes.io/config.mirror")) {
    const Path root("");
    return report.forbidden(root, "static pods cannot be resized");
  }
  validate_resized(pod, old, "spec.containers", spec.child("containers"), report);
  validate_resized(pod, old, "spec.initContainers", spec.child("initContainers"), report);
  const auto now = qos_class(*api::find(pod, "spec")), was = qos_class(*api::find(old, "spec"));
  if (now != was) report.invalid(spec, now, "Pod QOS Class may not change as a result of resizing");
}

}  // namespace mk::apiserver
