#pragma once

#include <memory>
#include <string>

#include "mk/client/client.h"
#include "mk/rt/blocking.h"
#include "mk/rt/clock.h"
#include "mk/rt/loop.h"
#include "mk/rt/random.h"

namespace mk::proxy {

struct ProxyOptions {
  std::string node_name, node_ip;
  std::string cluster_cidr, service_cidr;
};

// Services on this node: ClusterIP, NodePort, external and load balancer addresses become iptables rules in mk's own
// chains, changed incrementally as Services and EndpointSlices change.
class Proxy {
 public:
  virtual ~Proxy() = default;
  // Returns once the rules of all present Services are in force.
  virtual rt::Task<Result<void>> start() = 0;
  // Leaves the rules as they are (a restart must not cut connections).
  virtual rt::Task<> stop() = 0;
  // Removes every rule and chain of mk: for `--down`.
  virtual rt::Task<Result<void>> tear_down() = 0;
};

// `client` acts as system:kube-proxy. References must outlive the proxy.
std::unique_ptr<Proxy> make_proxy(rt::Loop& loop, rt::Clock& clock, rt::Random& random, rt::BlockingPool& pool,
                                  client::Client& client, ProxyOptions options);

}  // namespace mk::proxy
