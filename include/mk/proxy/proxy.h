#pragma once

#include <memory>
#include <string>
#include <vector>

#include "mk/client/client.h"
#include "mk/rt/blocking.h"
#include "mk/rt/clock.h"
#include "mk/rt/loop.h"
#include "mk/rt/random.h"

namespace mk::proxy {

// A cluster IP that this node's own process answers (cluster DNS does): traffic from the node and its pods to
// the frontend goes to a local address instead of to endpoints. Named by Service ("kube-system/kube-dns":
// whatever cluster IP it has) or by address (in force whether or not a Service exists).
struct LocalRedirect {
  std::string service;     // "namespace/name", or ""
  std::string cluster_ip;  // used when `service` is ""
  int port = 0;
  std::string protocol;       // "UDP", "TCP" or "SCTP"
  std::string local_address;  // IPv4 of this node that pods reach, e.g. the bridge's; not 127.0.0.1
  int local_port = 0;
};

struct ProxyOptions {
  std::string node_name, node_ip;
  std::string cluster_cidr, service_cidr;
  std::vector<LocalRedirect> local_redirects;
};

// Services on this node: ClusterIP, NodePort, external and load balancer addresses become iptables rules in
// mk's own chains, changed incrementally as Services and EndpointSlices change.
class Proxy {
 public:
  virtual ~Proxy() = default;
  // Returns once the rules of all present Services are in force.
  virtual rt::Task<Result<void>> start() = 0;
  // Leaves the rules as they are (a restart must not cut connections).
  virtual rt::Task<> stop() = 0;
  // Removes every rule and chain of mk: for `--down`. Needs no start(); stop() comes first if there was one.
  virtual rt::Task<Result<void>> tear_down() = 0;
};

// `client` acts as system:kube-proxy. References must outlive the proxy.
std::unique_ptr<Proxy> make_proxy(rt::Loop& loop, rt::Clock& clock, rt::Random& random,
                                  rt::BlockingPool& pool, client::Client& client, ProxyOptions options);

}  // namespace mk::proxy
