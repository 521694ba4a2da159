#pragma once

#include <string>

#include "mk/base/result.h"
#include "mk/rt/task.h"
#include "network/host_ports.h"

namespace mk::kubelet {

// What the runtime asks of the network for one pod.
class PodAttachments {
 public:
  virtual ~PodAttachments() = default;
  // Gives the network namespace of process `pid` an eth0; its address. kServiceUnavailable while the node has
  // no pod CIDR.
  virtual rt::Task<Result<std::string>> attach(std::string sandbox_id, int pid) = 0;
  // Takes it back; fine when there is none.
  virtual rt::Task<Result<void>> detach(std::string sandbox_id) = 0;
  // Level-triggered: all ports of pods on the node's addresses.
  virtual rt::Task<Result<void>> set_host_ports(std::vector<HostPort> ports) = 0;
};

}  // namespace mk::kubelet
