#pragma once

#include <memory>
#include <string>

#include "mk/client/client.h"
#include "mk/dns/dns.h"
#include "mk/kubelet/kubelet.h"
#include "mk/node/options.h"
#include "mk/node/runtime_options.h"
#include "mk/proxy/proxy.h"
#include "mk/rt/blocking.h"

namespace mk::node {

// What every node of the cluster knows.
struct ClusterSettings {
  std::string cluster_cidr, service_cidr, cluster_dns, cluster_domain;
};

struct WorkerOptions {
  Options options;
  ClusterSettings cluster;
  std::string node_name, node_ip;
  net::TlsIdentity kubelet_identity;
};

// The node side of mk: runtime, kubelet, proxy and DNS. The same on a server and on an agent; only the
// clients differ.
class Worker {
 public:
  struct Clients {
    client::Client& kubelet;  // system:node:<name>
    client::Client& proxy;    // system:kube-proxy: reads Services, EndpointSlices and Nodes
    client::Client& dns;      // the same rights
  };
  Worker(rt::Loop& loop, rt::Clock& clock, rt::Random& random, rt::BlockingPool& pool, Clients clients,
         WorkerOptions options);
  ~Worker();

  rt::Task<Result<void>> start();
  rt::Task<> stop();

 private:
  rt::Loop& loop_;
  rt::Clock& clock_;
  rt::Random& random_;
  rt::BlockingPool& pool_;
  Clients clients_;
  WorkerOptions options_;
  kubelet::NodeRuntime runtime_;
  std::unique_ptr<kubelet::Kubelet> kubelet_;
  std::unique_ptr<proxy::Proxy> proxy_;
  std::unique_ptr<dns::Dns> dns_;
};

}  // namespace mk::node
