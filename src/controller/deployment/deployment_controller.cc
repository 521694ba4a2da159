#include "deployment/deployment_controller.h"

#include <fmt/format.h>

#include "deployment/new_set.h"
#include "deployment/status.h"
#include "kit/claim.h"
#include "kit/objects.h"

namespace mk::controller {

using api::resources::kDeployments;
using api::resources::kReplicaSets;
namespace {
const api::Gvk kDeploymentKind{"apps", "v1", "Deployment"};
const api::Gvk kReplicaSetKind{"apps", "v1", "ReplicaSet"};
}  // namespace

DeploymentController::Rollout::Rollout(api::Object deployment_, std::vector<api::Object> all_sets)
    : deployment(std::move(deployment_)), all(std::move(all_sets)) {
  newest = deployment::find_new_set(deployment.json(), all);
  for (const auto& set : all) {
    if (!newest || set.uid() != newest.uid()) old.push_back(set);
  }
}

std::vector<deployment::Set> DeploymentController::Rollout::old_counts() const {
  std::vector<deployment::Set> counts;
  for (const auto& set : old) counts.push_back(deployment::set_of(set));
  return counts;
}

const api::Object* DeploymentController::Rollout::find(const std::string& name) const {
  for (const auto& set : all) {
    if (set.name() == name) return &set;
  }
  return nullptr;
}

DeploymentController::DeploymentController(Context& context_)
    : Controller(context_, "deployment-controller"),
      deployments_(watch(kDeployments, self)),
      sets_(
          watch_owned(kReplicaSets, [this](const api::Object& before,
                                           const api::Object& after) { return keys_of_set(before, after); })),
      pods_(watch_owned(api::resources::kPods, [this](const api::Object& before, const api::Object& after) {
        return keys_of_pod(before, after);
      })) {}

Controller::Keys DeploymentController::keys_of_set(const api::Object& before, const api::Object& after) {
  static const auto owners = controllers(kDeploymentKind);
  auto keys = owners(before, after);
  if (!after || api::controller_of(after)) return keys;
  for (const auto& deployment : deployments_.in_namespace(std::string(after.ns()))) {
    const auto selector = api::LabelSelector::from_json(api::find(deployment.json(), "spec.selector"));
    if (selector.ok() && selector->matches(api::object(after.json(), "metadata.labels")))
      keys.push_back(deployment.key());
  }
  return keys;
}

// Only the end of the last old pod of a Recreate matters here.
Controller::Keys DeploymentController::keys_of_pod(const api::Object& before, const api::Object& after) {
  if (after && !(pod_finished(after.json()) && !pod_finished(before ? before.json() : after.json())))
    return {};
  static const auto owners = controllers(kReplicaSetKind);
  Keys keys;
  for (const auto& set_key : owners(before, api::Object())) {
    const auto set = sets_.get(set_key);
    const auto* owner = set ? api::controller_of(set) : nullptr;
    if (!owner) continue;
    const api::Key key(set_key.ns, std::string(api::str(*owner, "name")));
    const auto deployment = deployments_.get(key);
    if (deployment && !deployment::goal_of(deployment.json()).rolling) keys.push_back(key);
  }
  return keys;
}

rt::Task<Result<void>> DeploymentController::reconcile(api::Key key) {
  const auto deployment = deployments_.get(key);
  if (!deployment) co_return ok();
  MK_CO_ASSIGN(auto selector, api::LabelSelector::from_json(api::find(deployment.json(), "spec.selector")));
  if (selector.everything()) {
    event(deployment, "Warning", "SelectingAll",
          "This deployment is selecting all pods. A non-empty selector is required.");
    co_return ok();
  }
  auto candidates = sets_.by_index(kByController, std::string(deployment.uid()));
  for (auto& orphan : sets_.by_index(kByController, orphans(key.ns))) candidates.push_back(std::move(orphan));
  Claimant claimant(deployment, kDeployments, kDeploymentKind, std::move(selector));
  std::function<bool(const api::Object&)> adoptable = [](const api::Object&) { return true; };
  MK_CO_ASSIGN(auto sets, co_await claim(client(), std::move(claimant), kReplicaSets, std::move(candidates),
                                         std::move(adoptable)));
  co_return co_await step(deployment, std::move(sets));
}

rt::Task<Result<void>> DeploymentController::step(api::Object deployment, std::vector<api::Object> sets) {
  Rollout rollout(deployment, std::move(sets));
  if (deployment.deleting()) co_return co_await finish(std::move(rollout), false);
  MK_CO_ASSIGN(rollout, co_await note_pause(std::move(rollout)));

  std::vector<deployment::Set> counts = rollout.old_counts();
  if (rollout.newest) counts.push_back(deployment::set_of(rollout.newest));
  const bool paused = api::flag(deployment.json(), "spec.paused");
  if (paused || deployment::scaling_needed(rollout.goal(), counts))
    co_return co_await scale_only(std::move(rollout));
  if (rollout.goal().rolling) co_return co_await roll(std::move(rollout));
  co_return co_await recreate(std::move(rollout));
}

rt::Task<Result<void>> DeploymentController::scale_only(Rollout rollout) {
  if (rollout.newest) {
    MK_CO_ASSIGN(rollout, co_await ensure_new_set(std::move(rollout)));
  }
  const auto newest = rollout.newest ? deployment::set_of(rollout.newest) : deployment::Set();
  auto scalings =
      deployment::scale_in_proportion(rollout.goal(), api::num(rollout.deployment.json(), "status.replicas"),
                                      rollout.newest ? &newest : nullptr, rollout.old_counts());
  MK_CO_TRY(co_await scale(rollout, std::move(scalings)));
  const bool paused = api::flag(rollout.deployment.json(), "spec.paused");
  co_return co_await finish(std::move(rollout), paused);
}

rt::Task<Result<void>> DeploymentController::roll(Rollout rollout) {
  MK_CO_ASSIGN(rollout, co_await ensure_new_set(std::move(rollout)));
  const auto goal = rollout.goal();
  const auto newest = deployment::set_of(rollout.newest);
  const auto old = rollout.old_counts();
  std::int64_t total = newest.spec;
  for (const auto& set : old) total += set.spec;

  deployment::Scalings grow;
  grow.emplace_back(newest.name, deployment::new_set_size(goal, newest.spec, total));
  MK_CO_TRY(co_await scale(rollout, std::move(grow)));
  if (!rollout.scaled) MK_CO_TRY(co_await scale(rollout, deployment::scale_down_old(goal, newest, old)));
  const bool settled = !rollout.scaled;
  co_return co_await finish(std::move(rollout), settled);
}

rt::Task<Result<void>> DeploymentController::recreate(Rollout rollout) {
  deployment::Scalings away;
  for (const auto& set : rollout.old_counts()) {
    if (set.spec > 0) away.emplace_back(set.name, 0);
  }
  MK_CO_TRY(co_await scale(rollout, std::move(away)));
  if (rollout.scaled || old_pods_running(rollout)) co_return co_await finish(std::move(rollout), false);
  MK_CO_ASSIGN(rollout, co_await ensure_new_set(std::move(rollout)));
  deployment::Scalings grow;
  grow.emplace_back(std::string(rollout.newest.name()), rollout.goal().replicas);
  MK_CO_TRY(co_await scale(rollout, std::move(grow)));
  const bool settled = !rollout.scaled;
  co_return co_await finish(std::move(rollout), settled);
}

// Recreate must not overlap: a pod that is still terminating counts too.
bool DeploymentController::old_pods_running(const Rollout& rollout) {
  for (const auto& set : rollout.old) {
    if (api::num(set.json(), "status.replicas") > 0) return true;
    for (const auto& pod : pods_.by_index(kByController, std::string(set.uid()))) {
      if (!pod_finished(pod.json())) return true;
    }
  }
  return false;
}

rt::Task<Result<void>> DeploymentController::clean_up(Rollout rollout) {
  const auto* limit = api::find(rollout.deployment.json(), "spec.revisionHistoryLimit");
  if (!limit) co_return ok();
  const auto count = api::num(rollout.deployment.json(), "spec.revisionHistoryLimit");
  for (const auto& set : deployment::expendable(rollout.old, count)) {
    auto gone = co_await client().remove(kReplicaSets, set.key(), client::DeleteOptions());
    if (!gone.ok() && !gone.error().is(Reason::kNotFound)) co_return std::move(gone).error();
  }
  co_return ok();
}

rt::Task<Result<void>> DeploymentController::finish(Rollout rollout, bool may_clean) {
  const auto now = clock().now();
  const auto& before = rollout.deployment;
  if (may_clean && (deployment::complete(before.json()) || api::flag(before.json(), "spec.paused"))) {
    MK_CO_TRY(co_await clean_up(rollout));
  }
  auto updated = deployment::with_counts(before.json(), rollout.newest, rollout.all, now);
  if (!before.deleting() && !api::flag(before.json(), "spec.paused")) {
    deployment::update_progress(before.json(), updated, rollout.newest, now);
  }
  const auto wait = deployment::progress_check_after(updated, now);
  const auto key = before.key();
  MK_CO_TRY(co_await write_status(kDeployments, before, std::move(updated)));
  if (wait && !before.deleting()) enqueue_after(key, *wait);
  co_return ok();
}

// Pausing stops the progress deadline's clock; resuming starts it anew.
rt::Task<Result<DeploymentController::Rollout>> DeploymentController::note_pause(Rollout rollout) {
  const auto& json = rollout.deployment.json();
  if (!deployment::has_progress_deadline(json)) co_return rollout;
  const auto* condition = find_condition(json, "Progressing");
  const auto reason = condition ? api::str(*condition, "reason") : std::string_view();
  if (reason == "ProgressDeadlineExceeded") co_return rollout;
  const bool paused = api::flag(json, "spec.paused");
  const bool noted = reason == "DeploymentPaused";
  if (paused == noted) co_return rollout;
  api::Json updated = json;
  if (paused) {
    deployment::set_progressing(updated, "Unknown", "DeploymentPaused", "Deployment is paused",
                                clock().now());
  } else {
    deployment::set_progressing(updated, "Unknown", "DeploymentResumed", "Deployment is resumed",
                                clock().now());
  }
  MK_CO_ASSIGN(rollout.deployment, co_await client().update(kDeployments, api::Object(std::move(updated)),
                                                            "status", client::WriteOptions()));
  co_return rollout;
}

}  // namespace mk::controller
