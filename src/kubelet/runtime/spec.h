#pragma once

#include <string>
#include <vector>

#include "mk/api/json.h"
#include "mk/base/result.h"
#include "mk/kubelet/runtime.h"
#include "runtime/capabilities.h"
#include "runtime/users.h"

namespace mk::kubelet {

// What a container's spec takes from its pod and its node.
struct SpecInputs {
  SpecInputs(const ContainerConfig& container_, const SandboxConfig& pod_)
      : container(container_), pod(pod_) {}
  const ContainerConfig& container;
  const SandboxConfig& pod;
  HostLimits host;
  ContainerUser user;
  std::string rootfs;     // absolute
  std::string cgroup;     // absolute, as runc's cgroupsPath
  std::string shm;        // the pod's /dev/shm on the host
  int supervisor = 0;     // whose /proc/<pid>/ns the pod's namespaces are
  int pid_namespace = 0;  // the init of the shared pid namespace; 0: an own one
};

// The OCI runtime spec (config.json). kInvalid for what cannot be done, before anything is made.
Result<api::Json> build_spec(const SpecInputs& inputs);

// process.json of a program to run in a container whose spec is `config`.
api::Json build_exec_process(const api::Json& config, const std::vector<std::string>& argv, bool tty);

api::Json resources_json(const LinuxResources& resources);

}  // namespace mk::kubelet
