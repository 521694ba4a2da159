#include "network/host_ports.h"

#include <fmt/core.h>

#include <algorithm>

#include "network/ipam.h"
#include "network/iptables.h"

namespace mk::kubelet {

namespace {

constexpr Jump kJumps[] = {{"nat", "PREROUTING", "MK-HOSTPORTS"},
                           {"nat", "OUTPUT", "MK-HOSTPORTS"},
                           {"nat", "POSTROUTING", "MK-HOSTPORTS-MASQ"}};

bool is_port(int port) {
  return port > 0 && port < 65536;
}

}  // namespace

std::string host_port_rules(const std::vector<HostPort>& ports) {
  std::string to_pods = "-A MK-HOSTPORTS -m addrtype ! --dst-type LOCAL -j RETURN\n", back;
  for (const auto& [port, pod_ip] : ports) {
    const std::string& protocol = port.protocol;
    const bool any = port.host_ip.empty() || port.host_ip == "0.0.0.0";
    const bool known = protocol == "tcp" || protocol == "udp" || protocol == "sctp";
    if (!known || !is_port(port.host_port) || !is_port(port.container_port) || !Ipv4::parse(pod_ip) ||
        !(any || Ipv4::parse(port.host_ip)))
      continue;
    to_pods += fmt::format("-A MK-HOSTPORTS {}-p {} -m {} --dport {} -j DNAT --to-destination {}:{}\n",
                           any ? "" : fmt::format("-d {}/32 ", port.host_ip), protocol, protocol,
                           port.host_port, pod_ip, port.container_port);
    // The pod itself and the node's loopback cannot be answered under their own addresses.
    for (const auto& source : {pod_ip + "/32", std::string("127.0.0.0/8")})
      back += fmt::format("-A MK-HOSTPORTS-MASQ -s {} -d {}/32 -p {} -m {} --dport {} -j MASQUERADE\n",
                          source, pod_ip, protocol, protocol, port.container_port);
  }
  return "*nat\n:MK-HOSTPORTS - [0:0]\n:MK-HOSTPORTS-MASQ - [0:0]\n" + to_pods + back + "COMMIT\n";
}

bool is_stale(const net::Flow& flow, const std::vector<HostPort>& before, const std::vector<HostPort>& after,
              const std::string& node_ip) {
  const auto carries = [&flow](const HostPort& port) {
    const auto& ip = port.port.host_ip;
    return port.port.protocol == "udp" && port.port.host_port == flow.to_port &&
           (ip.empty() || ip == "0.0.0.0" || ip == flow.to_ip);
  };
  const auto serves = [&](const HostPort& port) { return carries(port) && port.pod_ip == flow.from_ip; };
  const bool own = flow.to_ip == node_ip || flow.to_ip == "127.0.0.1";
  if (own && std::any_of(after.begin(), after.end(), carries))
    return std::none_of(after.begin(), after.end(), serves);
  return std::any_of(before.begin(), before.end(), serves) &&
         std::none_of(after.begin(), after.end(), serves);
}

bool has_udp(const std::vector<HostPort>& ports) {
  return std::any_of(ports.begin(), ports.end(),
                     [](const HostPort& port) { return port.port.protocol == "udp"; });
}

Result<void> put_host_ports(const std::vector<HostPort>& ports) {
  MK_TRY(restore_rules(host_port_rules(ports)));
  return put_jumps(kJumps);
}

Result<void> remove_host_ports() {
  return remove_chains(kJumps);
}

}  // namespace mk::kubelet
