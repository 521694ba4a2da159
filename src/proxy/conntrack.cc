#include "conntrack.h"

#include <algorithm>

namespace mk::proxy {

namespace {

bool all_in(const auto& some, const auto& all) {
  return std::includes(all.begin(), all.end(), some.begin(), some.end());
}

}  // namespace

UdpView udp_view(const std::vector<ServicePort>& ports) {
  UdpView view;
  for (const auto& port : ports) {
    if (port.protocol != "udp") continue;
    view.frontends.emplace(port.cluster_ip, port.port);
    for (const auto& ip : port.external_ips) view.frontends.emplace(ip, port.port);
    for (const auto& ip : port.load_balancer_ips) view.frontends.emplace(ip, port.port);
    if (port.node_port != 0) view.node_ports.insert(port.node_port);
    for (bool local : {false, true})
      for (const auto& endpoint : usable(port.endpoints, local)) view.targets.insert(endpoint.ip);
  }
  return view;
}

bool StaleFlows::possible() const {
  if (before_ == after_) return false;
  return !all_in(before_.frontends, after_.frontends) || !all_in(before_.node_ports, after_.node_ports) ||
         !all_in(before_.targets, after_.targets) || (before_.targets.empty() && !after_.targets.empty()) ||
         !all_in(after_.frontends, before_.frontends) || !all_in(after_.node_ports, before_.node_ports);
}

bool StaleFlows::matches(const Flow& flow) const {
  const auto to = std::make_pair(flow.to_ip, flow.to_port);
  const bool valid_target = after_.targets.contains(flow.from_ip);
  if (after_.frontends.contains(to)) return !valid_target;
  if (before_.frontends.contains(to)) return true;
  const bool now = after_.node_ports.contains(flow.to_port), then = before_.node_ports.contains(flow.to_port);
  if (!now && !then) return false;
  // The port number alone says little: only flows that this Service translated, or that nobody did while it
  // had nowhere to send them.
  if (before_.targets.contains(flow.from_ip)) return !now || !valid_target;
  return now && flow.from_ip == flow.to_ip && (before_.targets.empty() || !then);
}

Result<int> forget_flows(const std::vector<StaleFlows>& stale) {
  const auto wrong = [&stale](const Flow& flow) {
    return std::any_of(stale.begin(), stale.end(),
                       [&flow](const StaleFlows& one) { return one.matches(flow); });
  };
  return net::forget_flows(wrong);
}

}  // namespace mk::proxy
