#pragma once

#include <map>
#include <memory>
#include <string>

#include "mk/kubelet/runtime.h"
#include "mk/rt/blocking.h"
#include "mk/rt/loop.h"

namespace mk::kubelet {

struct NodeRuntimeOptions {
  std::string data_dir;     // "/var/lib/mk/agent": images, overlay, pods
  std::string run_dir;      // "/run/mk/agent" or below data_dir: sockets, namespaces, runc state
  std::string root_cgroup;  // --root-cgroup: "" or "mk-a": every cgroup of this node lives below it
  std::string registries_yaml = "/etc/mk/registries.yaml";  // k3s' format; need not exist
  std::string node_name;
  std::string runc = "runc";
  // OCI runtimes by the handler that RuntimeClasses name them with: programs with runc's command line.
  // "runc", and "crun" where it is installed, need not be said.
  std::map<std::string, std::string> handlers;
};

// What the pod network of this node looks like; known once the node has its pod CIDR.
struct PodNetworkConfig {
  std::string pod_cidr;      // "10.42.1.0/24"
  std::string cluster_cidr;  // "10.42.0.0/16"
  std::string service_cidr;  // "10.43.0.0/16"
  std::string node_ip;       // outer address of the VXLAN
  int mtu = 0;               // 0: the interface's, less 50 for VXLAN
};

// Another node, as the VXLAN needs to know it. vtep_mac comes from the node's annotation.
struct PeerNode {
  std::string name, node_ip, pod_cidr, vtep_mac;
};

// Bridge, veth pairs and host-local addresses of this node's pods; VXLAN (port 8472, VNI 1) to the others.
class PodNetwork {
 public:
  virtual ~PodNetwork() = default;
  // Makes the bridge and the VXLAN device, or adopts them; may be called again with the same config.
  virtual rt::Task<Result<void>> configure(PodNetworkConfig config) = 0;
  virtual bool ready() const = 0;
  virtual std::string vtep_mac() const = 0;
  // Level-triggered: the complete list of the other nodes.
  virtual rt::Task<Result<void>> set_peers(std::vector<PeerNode> peers) = 0;
  // Removes bridge, VXLAN and rules (mk's end on this node, not a restart).
  virtual rt::Task<Result<void>> tear_down() = 0;
};

struct NodeRuntime {
  // In this order: the containers use the other two and are destroyed first.
  std::unique_ptr<PodNetwork> network;
  std::unique_ptr<ImageStore> images;
  std::unique_ptr<ContainerRuntime> containers;
};

// kInvalid/kNotFound with what to install or change when the node cannot run containers (no runc, no
// overlayfs, no cgroups, data directory not writable).
Result<NodeRuntime> make_node_runtime(rt::Loop& loop, rt::Clock& clock, rt::BlockingPool& pool,
                                      NodeRuntimeOptions options);

}  // namespace mk::kubelet
