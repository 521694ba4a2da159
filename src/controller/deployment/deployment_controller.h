#pragma once

#include "deployment/rollout.h"
#include "kit/controller.h"

namespace mk::controller {

// Rolls ReplicaSets so that the pods follow a Deployment's template.
class DeploymentController : public Controller {
 public:
  explicit DeploymentController(Context& context);

 private:
  // A Deployment with its ReplicaSets, for one step. `newest` may be no object.
  struct Rollout {
    Rollout(api::Object deployment_, std::vector<api::Object> all);
    api::Object deployment, newest;
    std::vector<api::Object> all, old;
    bool scaled = false;  // something was changed: the rest waits for the caches to show it
    deployment::Goal goal() const { return deployment::goal_of(deployment.json()); }
    std::vector<deployment::Set> old_counts() const;
    const api::Object* find(const std::string& name) const;
  };

  rt::Task<Result<void>> reconcile(api::Key key) override;
  Keys keys_of_set(const api::Object& before, const api::Object& after);
  Keys keys_of_pod(const api::Object& before, const api::Object& after);

  rt::Task<Result<void>> step(api::Object deployment, std::vector<api::Object> sets);
  rt::Task<Result<void>> scale_only(Rollout rollout);
  rt::Task<Result<void>> roll(Rollout rollout);
  rt::Task<Result<void>> recreate(Rollout rollout);
  rt::Task<Result<void>> finish(Rollout rollout, bool may_clean);
  rt::Task<Result<void>> clean_up(Rollout rollout);

  // Makes or brings up to date the set of the current template.
  rt::Task<Result<Rollout>> ensure_new_set(Rollout rollout);
  rt::Task<Result<Rollout>> create_new_set(Rollout rollout, std::int64_t revision);
  rt::Task<Result<Rollout>> adopt_existing(Rollout rollout, api::Object wanted);
  rt::Task<Result<Rollout>> note_revision(Rollout rollout, std::string revision, std::string reason,
                                          std::string message);
  rt::Task<Result<void>> scale(Rollout& rollout, deployment::Scalings scalings);
  rt::Task<Result<Rollout>> note_pause(Rollout rollout);
  bool old_pods_running(const Rollout& rollout);

  client::Informer& deployments_;
  client::Informer& sets_;
  client::Informer& pods_;
};

}  // namespace mk::controller
