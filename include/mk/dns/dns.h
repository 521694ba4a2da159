#pragma once

#include <memory>
#include <string>
#include <vector>

#include "mk/client/client.h"
#include "mk/rt/clock.h"
#include "mk/rt/loop.h"
#include "mk/rt/random.h"

namespace mk::dns {

struct DnsOptions {
  // Where the DNS Service's rules lead to on this node; one address, not 0.0.0.0: UDP answers must leave from
  // it.
  std::string listen_address;
  int port = 53;
  std::string cluster_domain = "cluster.local";
  std::vector<std::string> upstreams;  // "1.1.1.1", "10.0.0.2:5353"; empty: from resolv_conf
  std::string resolv_conf = "/etc/resolv.conf";
};

// Cluster DNS, answered on every node from a local cache (the Kubernetes DNS specification 1.1); other names
// are asked of the upstream servers.
class Dns {
 public:
  virtual ~Dns() = default;
  virtual rt::Task<Result<void>> start() = 0;
  virtual rt::Task<> stop() = 0;
  virtual int port() const = 0;  // in use, UDP and TCP
};

std::unique_ptr<Dns> make_dns(rt::Loop& loop, rt::Clock& clock, rt::Random& random, client::Client& client,
                              DnsOptions options);

}  // namespace mk::dns
