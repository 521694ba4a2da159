#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "mk/api/object.h"

// What the proxy needs of a Service and its EndpointSlices.
namespace mk::proxy {

struct Endpoint {
  std::string ip;
  int port = 0;
  bool ready = false, serving = false, terminating = false;
  bool local = false;    // on this node
  bool for_node = true;  // hints do not send this node elsewhere
  std::string target() const { return ip + ":" + std::to_string(port); }
  auto operator<=>(const Endpoint&) const = default;
};

// One port of a Service with everything that leads to it.
struct ServicePort {
  std::string name;      // "ns/service:port", or "ns/service" for a port without name
  std::string protocol;  // "tcp", "udp", "sctp"
  std::string cluster_ip;
  int port = 0, node_port = 0;
  std::vector<std::string> external_ips, load_balancer_ips, source_ranges;
  int affinity_seconds = 0;  // 0: none
  bool internal_local = false, external_local = false;
  std::vector<Endpoint> endpoints;  // sorted, each target once
};

// The ports of a Service that rules are made for: none for headless ones, ExternalName, or without IPv4
// address.
std::vector<ServicePort> read_service(const api::Object& service, const std::vector<api::Object>& slices,
                                      const std::string& node_name);

bool is_ipv4(std::string_view text);

api::Key service_of_slice(const api::Object& slice);

// Which endpoints traffic may go to: the ready ones; when there is none, those that still serve while they
// terminate.
std::vector<Endpoint> usable(const std::vector<Endpoint>& endpoints, bool local_only);

}  // namespace mk::proxy
