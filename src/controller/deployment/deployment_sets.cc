// The part of the Deployment controller that writes ReplicaSets.
#include <fmt/format.h>

#include "deployment/deployment_controller.h"
#include "deployment/new_set.h"
#include "deployment/status.h"
#include "kit/objects.h"

namespace mk::controller {

using api::resources::kDeployments;
using api::resources::kReplicaSets;

rt::Task<Result<void>> DeploymentController::scale(Rollout& rollout, deployment::Scalings scalings) {
  const auto goal = rollout.goal();
  for (const auto& scaling : scalings) {
    const auto* set = rollout.find(scaling.name);
    if (!set) continue;
    const auto from = api::num(set->json(), "spec.replicas");
    auto annotations = api::object(set->json(), "metadata.annotations");
    deployment::annotate_sizes(annotations, goal);
    const bool stale = annotations != api::object(set->json(), "metadata.annotations");
    if (from == scaling.replicas && !stale) continue;
    auto changed = set->with([&](api::Json& json) {
      api::set(json, "spec.replicas", scaling.replicas);
      api::set(json, "metadata.annotations", annotations);
    });
    MK_CO_TRY(co_await client().update(kReplicaSets, std::move(changed), "", client::WriteOptions()));
    if (from == scaling.replicas) continue;
    rollout.scaled = true;
    event(rollout.deployment, "Normal", "ScalingReplicaSet",
          fmt::format("Scaled {} replica set {} from {} to {}", scaling.replicas > from ? "up" : "down",
                      scaling.name, from, scaling.replicas));
  }
  co_return ok();
}

rt::Task<Result<DeploymentController::Rollout>> DeploymentController::ensure_new_set(Rollout rollout) {
  const auto revision = deployment::max_revision(rollout.old) + 1;
  if (!rollout.newest) co_return co_await create_new_set(std::move(rollout), revision);

  const auto& present = api::object(rollout.newest.json(), "metadata.annotations");
  auto annotations = deployment::annotations_of(rollout.deployment, present, revision);
  const auto min_ready = api::num(rollout.deployment.json(), "spec.minReadySeconds");
  const bool same_min_ready = api::num(rollout.newest.json(), "spec.minReadySeconds") == min_ready;
  if (annotations != present || !same_min_ready) {
    auto changed = rollout.newest.with([&](api::Json& json) {
      api::set(json, "metadata.annotations", annotations);
      if (!same_min_ready) api::set(json, "spec.minReadySeconds", min_ready);
    });
    MK_CO_ASSIGN(auto updated,
                 co_await client().update(kReplicaSets, std::move(changed), "", client::WriteOptions()));
    for (auto& set : rollout.all) {
      if (set.uid() == updated.uid()) set = updated;
    }
    rollout.newest = updated;
  }
  auto number = std::string(rollout.newest.annotation(deployment::kRevision));
  const bool known = find_condition(rollout.deployment.json(), "Progressing") != nullptr;
  auto message = fmt::format("Found new replica set \"{}\"", rollout.newest.name());
  co_return co_await note_revision(std::move(rollout), std::move(number), known ? "" : "FoundNewReplicaSet",
                                   std::move(message));
}

// The Deployment carries the revision of its set, and a Progressing condition from the first step on.
rt::Task<Result<DeploymentController::Rollout>> DeploymentController::note_revision(Rollout rollout,
                                                                                    std::string revision,
                                                                                    std::string reason,
                                                                                    std::string message) {
  if (!reason.empty() && deployment::has_progress_deadline(rollout.deployment.json())) {
    api::Json updated = rollout.deployment.json();
    deployment::set_progressing(updated, "True", reason, message, clock().now());
    MK_CO_ASSIGN(rollout.deployment, co_await client().update(kDeployments, api::Object(std::move(updated)),
                                                              "status", client::WriteOptions()));
  }
  if (rollout.deployment.annotation(deployment::kRevision) == revision) co_return rollout;
  auto annotations = api::object(rollout.deployment.json(), "metadata.annotations");
  annotations[deployment::kRevision] = revision;
  auto changed = rollout.deployment.with(
      [&annotations](api::Json& json) { api::set(json, "metadata.annotations", annotations); });
  MK_CO_ASSIGN(rollout.deployment,
               co_await client().update(kDeployments, std::move(changed), "", client::WriteOptions()));
  co_return rollout;
}

rt::Task<Result<DeploymentController::Rollout>> DeploymentController::create_new_set(Rollout rollout,
                                                                                     std::int64_t revision) {
  std::int64_t total = 0;
  for (const auto& set : rollout.old) total += api::num(set.json(), "spec.replicas");
  const auto replicas = deployment::new_set_size(rollout.goal(), 0, total);
  api::Object wanted(deployment::make_new_set(rollout.deployment, replicas, revision));
  auto made = co_await client().create(kReplicaSets, std::string(rollout.deployment.ns()), wanted,
                                       client::WriteOptions());
  if (!made.ok()) {
    if (made.error().is(Reason::kAlreadyExists))
      co_return co_await adopt_existing(std::move(rollout), wanted);
    if (namespace_terminating(made.error())) co_return std::move(made).error();
    event(rollout.deployment, "Warning", "ReplicaSetCreateError",
          fmt::format("Failed to create new replica set \"{}\": {}", wanted.name(), made.error().message()));
    api::Json updated = rollout.deployment.json();
    deployment::set_progressing(updated, "False", "ReplicaSetCreateError", made.error().message(),
                                clock().now());
    MK_CO_TRY(co_await write_status(kDeployments, rollout.deployment, std::move(updated)));
    co_return std::move(made).error();
  }
  if (replicas > 0) {
    event(rollout.deployment, "Normal", "ScalingReplicaSet",
          fmt::format("Scaled up replica set {} from 0 to {}", made->name(), replicas));
  }
  rollout.scaled = true;
  rollout.newest = *made;
  rollout.all.push_back(*made);
  auto message = fmt::format("Created new replica set \"{}\"", made->name());
  co_return co_await note_revision(std::move(rollout), fmt::to_string(revision), "NewReplicaSetCreated",
                                   std::move(message));
}

// The name is taken: by our own set that the cache does not show yet, or by a stranger with the same hash,
// which the collision count tells apart next time.
rt::Task<Result<DeploymentController::Rollout>> DeploymentController::adopt_existing(Rollout rollout,
                                                                                     api::Object wanted) {
  MK_CO_ASSIGN(auto live, co_await client().get(kReplicaSets, wanted.key()));
  const auto* ours = api::find(wanted.json(), "spec.template");
  const auto* theirs = api::find(live.json(), "spec.template");
  if (controlled_by(live, rollout.deployment.uid()) && ours && theirs &&
      deployment::same_template(*ours, *theirs)) {
    rollout.newest = live;
    rollout.all.push_back(live);
    co_return rollout;
  }
  api::Json updated = rollout.deployment.json();
  api::set(updated, "status.collisionCount", api::num(updated, "status.collisionCount") + 1);
  MK_CO_TRY(co_await write_status(kDeployments, rollout.deployment, std::move(updated)));
  co_return Error(Reason::kConflict,
                  fmt::format("the name {} is taken by another ReplicaSet", wanted.name()));
}

}  // namespace mk::controller
