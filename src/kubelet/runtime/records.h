#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "mk/api/json.h"
#include "mk/kubelet/runtime.h"
#include "mk/rt/event.h"
#include "supervisor/link.h"

namespace mk::kubelet {

// A container as the runtime keeps it. What an adopting agent cannot learn from the supervisor is in
// <pod folder>/containers/<id>/container.json.
struct ContainerRecord {
  ContainerStatus status;
  std::string cgroup;  // absolute within the trees
  bool tty = false, has_stdin = false;
  int stop_signal = 15;
  int pid = 0;
  rt::Event changed;  // its state

  bool running() const {
    return status.state == ContainerState::kCreated || status.state == ContainerState::kRunning;
  }
};

struct SandboxRecord {
  SandboxStatus status;
  SandboxConfig config;
  std::string folder;  // <run dir>/pods/<id>
  int supervisor = 0, pid_namespace = 0;
  bool networked = false;         // has an address of the pod network
  std::unique_ptr<PodLink> link;  // nullptr: its supervisor is gone or was stopped
  std::map<std::string, std::shared_ptr<ContainerRecord>> containers;
};

Result<void> save(const SandboxRecord& sandbox);
Result<void> save(const SandboxRecord& sandbox, const ContainerRecord& container);
Result<SandboxRecord> load_sandbox(const std::string& folder);
Result<std::shared_ptr<ContainerRecord>> load_container(const std::string& folder);
// Takes over the exit record a supervisor has written, if there is one.
bool read_exit_record(const std::string& folder, ContainerStatus& status);

}  // namespace mk::kubelet
