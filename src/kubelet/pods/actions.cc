#include "pods/actions.h"

#include <algorithm>

namespace mk::kubelet {

namespace {

class Planner {
 public:
  Planner(const Json& pod, const ActionInputs& inputs) : pod_(pod), in_(inputs) {}

  PodActions run() {
    if (in_.snapshot == nullptr || !in_.snapshot->sandbox.ready) {
      plan_sandbox();
      return std::move(out_);
    }
    if (all_regular_done()) {
      out_.finished = true;
      return std::move(out_);
    }
    if (plan_init()) plan_regular();
    return std::move(out_);
  }

 private:
  const ContainerStatus* current(std::string_view name) const {
    return latest(*in_.snapshot, name, in_.snapshot->sandbox.id);
  }

  // Containers that ran in an earlier sandbox and may not run again do not need a new one.
  void plan_sandbox() {
    if (in_.snapshot != nullptr && !in_.snapshot->containers.empty() && nothing_left_to_run()) {
      out_.finished = true;
      return;
    }
    if (in_.snapshot != nullptr)
      for (const auto& status : in_.snapshot->containers)
        if (status.state == ContainerState::kRunning)
          out_.kills.push_back(
              {status.id, status.name, "The pod's sandbox has gone; the container will be killed"});
    out_.create_sandbox = true;
  }

  bool nothing_left_to_run() const {
    for (const auto& container : regular_containers(pod_)) {
      const auto* status = latest(*in_.snapshot, container.name());
      if (status == nullptr) {
        if (!init_failed_for_good({})) return false;
        continue;
      }
      const int code = ended(*status) ? status->exit_code : 137;
      if (restarts_after(pod_, container, code)) return false;
    }
    return true;
  }

  bool init_failed_for_good(std::string_view sandbox) const {
    for (const auto& container : init_containers(pod_)) {
      if (container.kind != ContainerKind::kInit) continue;
      const auto* status = latest(*in_.snapshot, container.name(), sandbox);
      if (status != nullptr && ended(*status) && status->exit_code != 0 &&
          !restarts_after(pod_, container, status->exit_code))
        return true;
    }
    return false;
  }

  bool all_regular_done() const {
    const auto& sandbox = in_.snapshot->sandbox.id;
    if (init_failed_for_good(sandbox)) return true;
    for (const auto& container : regular_containers(pod_)) {
      const auto* status = latest(*in_.snapshot, container.name(), sandbox);
      if (status == nullptr || !ended(*status) || in_.must_restart.count(status->id) != 0 ||
          restarts_after(pod_, container, status->exit_code))
        return false;
    }
    return true;
  }

  bool initialized() const {
    for (const auto& container : regular_containers(pod_))
      if (current(container.name()) != nullptr) return true;
    return false;
  }

  // True when the regular containers may run.
  bool plan_init() {
    const bool was_initialized = initialized();
    for (const auto& container : init_containers(pod_)) {
      const bool sidecar = container.kind == ContainerKind::kSidecar;
      if (was_initialized) {
        if (sidecar) plan_one(container);
        continue;
      }
      const auto* status = current(container.name());
      if (!sidecar && status != nullptr && ended(*status) && status->exit_code == 0) continue;
      plan_one(container);
      const bool up = sidecar && status != nullptr && status->state == ContainerState::kRunning &&
                      in_.started.count(status->id) != 0 && in_.unhealthy.count(status->id) == 0;
      if (!up) return false;
    }
    return true;
  }

  void plan_regular() {
    for (const auto& container : all_containers(pod_))
      if (container.kind == ContainerKind::kRegular || container.kind == ContainerKind::kEphemeral)
        plan_one(container);
  }

  void plan_one(const ContainerRef& container) {
    const auto* status = current(container.name());
    const std::string name(container.name());
    if (status == nullptr) {
      out_.starts.push_back({name, container.kind, next_attempt(pod_, in_.snapshot, name), ""});
    } else if (status->state == ContainerState::kCreated) {
      out_.starts.push_back({name, container.kind, status->attempt, status->id});
    } else if (status->state == ContainerState::kRunning) {
      if (in_.unhealthy.count(status->id) != 0)
        out_.kills.push_back(
            {status->id, name, "Container " + name + " failed liveness probe, will be restarted"});
    } else if (in_.must_restart.count(status->id) != 0) {
      out_.starts.push_back({name, container.kind, next_attempt(pod_, in_.snapshot, name), ""});
    } else if (restarts_after(pod_, container, status->exit_code)) {
      plan_restart(container, *status);
    }
  }

  void plan_restart(const ContainerRef& container, const ContainerStatus& status) {
    const std::string name(container.name());
    if (in_.backoff != nullptr) {
      if (const auto until = in_.backoff->wait_until(name, status.finished_at, in_.now)) {
        out_.backoffs.push_back({name, *until});
        return;
      }
    }
    out_.starts.push_back({name, container.kind, next_attempt(pod_, in_.snapshot, name), ""});
  }

  const Json& pod_;
  const ActionInputs& in_;
  PodActions out_;
};

}  // namespace

bool ended(const ContainerStatus& status) {
  return status.state == ContainerState::kExited || status.state == ContainerState::kUnknown;
}

const ContainerStatus* latest(const PodSnapshot& snapshot, std::string_view name,
                              std::string_view sandbox_id) {
  const ContainerStatus* out = nullptr;
  for (const auto& status : snapshot.containers) {
    if (status.name != name || (!sandbox_id.empty() && status.sandbox_id != sandbox_id)) continue;
    if (out == nullptr || status.attempt > out->attempt) out = &status;
  }
  return out;
}

std::uint32_t next_attempt(const Json& pod, const PodSnapshot* snapshot, std::string_view name) {
  std::uint32_t next = 0;
  if (snapshot != nullptr)
    if (const auto* status = latest(*snapshot, name)) next = status->attempt + 1;
  for (std::string_view field :
       {"initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"}) {
    for (const Json& seen : api::list(pod, "status." + std::string(field))) {
      if (api::str(seen, "name") != name) continue;
      if (api::str(seen, "containerID").empty() && api::find(seen, "lastState.terminated") == nullptr)
        continue;
      next = std::max(next, static_cast<std::uint32_t>(api::num(seen, "restartCount") + 1));
    }
  }
  return next;
}

PodActions compute_actions(const Json& pod, const ActionInputs& inputs) {
  return Planner(pod, inputs).run();
}

}  // namespace mk::kubelet
