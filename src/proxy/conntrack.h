#pragma once

#include <set>
#include <string>
#include <vector>

#include "mk/base/result.h"
#include "mk/net/conntrack.h"
#include "model.h"

// UDP has no end of connection, so the kernel's connection tracking goes on sending a flow to the endpoint it
// once chose, or to nowhere, for as long as packets come. After a change such flows are forgotten.
namespace mk::proxy {

using net::Flow;

// The UDP ports of one Service.
struct UdpView {
  std::set<std::pair<std::string, int>> frontends;
  std::set<int> node_ports;
  std::set<std::string> targets;  // endpoint addresses
  bool operator==(const UdpView&) const = default;
};
UdpView udp_view(const std::vector<ServicePort>& ports);

// Which flows a change of a Service made wrong.
class StaleFlows {
 public:
  StaleFlows(UdpView before, UdpView after) : before_(std::move(before)), after_(std::move(after)) {}
  bool possible() const;  // something went away, or something appeared where nothing was
  bool matches(const Flow& flow) const;

 private:
  UdpView before_, after_;
};

// Forgets the flows of this network namespace that any of these match; how many. Blocking.
Result<int> forget_flows(const std::vector<StaleFlows>& stale);

}  // namespace mk::proxy
