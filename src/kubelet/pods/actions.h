#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "mk/kubelet/runtime.h"
#include "pods/backoff.h"
#include "pods/pod_view.h"

// What to do next for a pod: a pure function of its spec and of what runs. The worker performs the actions,
// looks again and asks again, until there is nothing to do or something to wait for.
namespace mk::kubelet {

struct StartAction {
  std::string name;
  ContainerKind kind = ContainerKind::kRegular;
  std::uint32_t attempt = 0;
  std::string existing_id;  // created by an earlier life and never started: start this one
};

struct KillAction {
  std::string id, name, message;
};

struct BackoffAction {
  std::string name;
  rt::WallTime until;
};

struct PodActions {
  bool create_sandbox = false;
  std::vector<KillAction> kills;        // before the starts
  std::vector<StartAction> starts;      // in this order
  std::vector<BackoffAction> backoffs;  // wait with CrashLoopBackOff until then
  // Every container has ended for good: stop what is left (sidecars) and the sandbox, report the final phase.
  bool finished = false;

  bool nothing() const { return !create_sandbox && kills.empty() && starts.empty() && !finished; }
};

// What is known besides spec and runtime.
struct ActionInputs {
  const PodSnapshot* snapshot = nullptr;  // nullptr: no sandbox
  std::set<std::string> unhealthy;        // container ids whose liveness or startup probe has failed
  std::set<std::string> started;          // container ids that passed their startup probe (or have none)
  std::set<std::string> must_restart;  // container ids that were stopped to start anew, whatever the policy
  const Backoff* backoff = nullptr;    // keys are container names
  rt::WallTime now;
};

PodActions compute_actions(const Json& pod, const ActionInputs& inputs);

// The newest container of a name (highest attempt), nullptr when there is none; optionally of one sandbox
// only.
const ContainerStatus* latest(const PodSnapshot& snapshot, std::string_view name,
                              std::string_view sandbox_id = {});
// Attempt of the next container of a name: behind every one that exists or that the API has seen.
std::uint32_t next_attempt(const Json& pod, const PodSnapshot* snapshot, std::string_view name);
bool ended(const ContainerStatus& status);

}  // namespace mk::kubelet
