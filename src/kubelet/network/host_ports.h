#pragma once

#include <string>
#include <vector>

#include "mk/kubelet/runtime.h"
#include "mk/net/conntrack.h"

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

// Does the kernel remember something of a UDP flow that the change made wrong: it goes to a pod that has lost
// the port, or to none because nobody had it? UDP has no end of connection, so it would for as long as
// packets come. Pure.
bool is_stale(const net::Flow& flow, const std::vector<HostPort>& before, const std::vector<HostPort>& after,
              const std::string& node_ip);
bool has_udp(const std::vector<HostPort>& ports);

}  // namespace mk::kubelet
