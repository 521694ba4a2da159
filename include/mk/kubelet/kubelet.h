#pragma once

#include <memory>
#include <string>
#include <vector>

#include "mk/client/client.h"
#include "mk/kubelet/node_runtime.h"
#include "mk/net/server.h"
#include "mk/rt/random.h"

namespace mk::kubelet {

struct KubeletOptions {
  std::string node_name, node_ip, hostname;
  std::string data_dir;   // "/var/lib/mk/agent": pods/<uid>/volumes ...
  std::string shown_dir;  // where plugins expect data_dir ("/var/lib/kubelet"); "": there
  std::string log_dir = "/var/log/pods";
  std::string local_path_folder;  // of local-path volumes: a directory each; "": this node keeps none
  std::string root_cgroup;
  std::string cluster_dns;  // "10.43.0.10"
  std::string cluster_domain = "cluster.local";
  std::string cluster_cidr, service_cidr;
  std::vector<std::string> node_labels;  // "key=value"
  std::vector<std::string> node_taints;  // "key=value:Effect"
  int max_pods = 110;
  std::string static_pods_dir;  // "": none
  // Kubernetes' kubelet flags, "eviction-hard=memory.available<200Mi"; src/kubelet/eviction/settings.h says
  // which.
  std::vector<std::string> arguments;
  std::string bind_address = "0.0.0.0";
  int port = 10250;  // of the kubelet's own API
  net::TlsIdentity
      identity;         // serving certificate, and the CA that signs the API server's client certificate
  std::string version;  // "v1.36.0+mk1"
};

// One node's agent: watches the pods bound to it and makes the node run exactly those.
class Kubelet {
 public:
  virtual ~Kubelet() = default;
  // Registers the node (or takes it over), adopts what runs, serves the kubelet API, then works until stop().
  virtual rt::Task<Result<void>> start() = 0;
  // Leaves the containers running (crash-only: the next start adopts them).
  virtual rt::Task<> stop() = 0;
  // Stops every pod of this node and removes what they leave: for `--down`, not for restarts.
  virtual rt::Task<> drain() = 0;
  // Stopped answering, or Ready as last written to the API.
  virtual bool node_ready() const = 0;
};

// `client` acts as system:node:<name>. All references must outlive the kubelet.
std::unique_ptr<Kubelet> make_kubelet(rt::Loop& loop, rt::Clock& clock, rt::Random& random,
                                      rt::BlockingPool& pool, client::Client& client, NodeRuntime& runtime,
                                      KubeletOptions options);

}  // namespace mk::kubelet
