#pragma once

#include <string>
#include <vector>

#include "mk/kubelet/runtime.h"

// Ports of pods on the node's own addresses, as nat rules in two chains of ours. Blocking.
namespace mk::kubelet {

struct HostPort {
  PortMapping port;
  std::string pod_ip;
};

// The chains' whole text for iptables-restore. Pure. What is no IPv4 address or no port is left out.
std::string host_port_rules(const std::vector<HostPort>& ports);

// Makes the kernel hold exactly these.
Result<void> put_host_ports(const std::vector<HostPort>& ports);
Result<void> remove_host_ports();

}  // namespace mk::kubelet
