#include "deployment/new_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "kit/objects.h"
#include "mk/base/strings.h"

namespace mk::controller::deployment {
namespace {

// Annotations that say something about one object and must not travel from the Deployment to its sets.
bool stays_behind(std::string_view key) {
  constexpr std::array<std::string_view, 6> kOwn = {"kubectl.kubernetes.io/last-applied-configuration",
                                                    kRevision,
                                                    kRevisionHistory,
                                                    kDesired,
                                                    kMaxReplicas,
                                                    "deprecated.deployment.rollback.to"};
  return std::find(kOwn.begin(), kOwn.end(), key) != kOwn.end();
}

std::string text_of(const api::JsonObject& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

// The revision moves up only; what it was goes into the history.
void annotate_revision(api::JsonObject& annotations, std::int64_t revision) {
  const auto present = text_of(annotations, kRevision);
  if (parse_int(present).value_or(0) >= revision) return;
  annotations[kRevision] = fmt::to_string(revision);
  if (present.empty()) return;
  auto history = text_of(annotations, kRevisionHistory);
  history = history.empty() ? present : history + "," + present;
  annotations[kRevisionHistory] = history;
}

}  // namespace

void annotate_sizes(api::JsonObject& annotations, const Goal& goal) {
  annotations[kDesired] = fmt::to_string(goal.replicas);
  annotations[kMaxReplicas] = fmt::to_string(goal.replicas + goal.max_surge);
}

api::JsonObject annotations_of(const api::Object& deployment, const api::JsonObject& present,
                               std::int64_t revision) {
  api::JsonObject annotations = present;
  for (const auto& [key, value] : api::object(deployment.json(), "metadata.annotations")) {
    if (!stays_behind(key)) annotations[key] = value;
  }
  annotate_revision(annotations, revision);
  return annotations;
}

std::int64_t max_revision(const std::vector<api::Object>& sets) {
  std::int64_t most = 0;
  for (const auto& set : sets) most = std::max(most, revision_of(set));
  return most;
}

api::Json make_new_set(const api::Object& deployment, std::int64_t replicas, std::int64_t revision) {
  const auto& json = deployment.json();
  const auto* found = api::find(json, "spec.template");
  api::Json pod_template = found ? *found : api::Json(api::JsonObject());
  const auto hash = stable_hash(pod_template, api::num(json, "status.collisionCount"));
  auto labels = api::object(pod_template, "metadata.labels");
  labels[kHashLabel] = hash;
  api::set(pod_template, "metadata.labels", labels);

  api::Json selector = api::object(json, "spec.selector");
  auto match = api::object(selector, "matchLabels");
  match[kHashLabel] = hash;
  api::set(selector, "matchLabels", match);

  auto annotations = annotations_of(deployment, {}, revision);
  annotate_sizes(annotations, goal_of(json));

  api::JsonArray owners;
  owners.push_back(controller_reference(deployment, api::Gvk{"apps", "v1", "Deployment"}));
  api::JsonObject metadata;
  metadata["name"] = std::string(deployment.name()) + "-" + hash;
  metadata["namespace"] = deployment.ns();
  metadata["labels"] = labels;
  metadata["annotations"] = annotations;
  metadata["ownerReferences"] = std::move(owners);
  api::JsonObject spec;
  spec["replicas"] = replicas;
  if (const auto* min_ready = api::find(json, "spec.minReadySeconds")) spec["minReadySeconds"] = *min_ready;
  spec["selector"] = std::move(selector);
  spec["template"] = std::move(pod_template);
  api::JsonObject set;
  set["apiVersion"] = "apps/v1";
  set["kind"] = "ReplicaSet";
  set["metadata"] = std::move(metadata);
  set["spec"] = std::move(spec);
  return set;
}

}  // namespace mk::controller::deployment
