#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "mk/kubelet/node_runtime.h"
#include "mk/rt/blocking.h"
#include "network/ipam.h"
#include "network/pod_network.h"

namespace mk::kubelet {

// Bridge mk0, a veth pair per pod, VXLAN mkvx.1, and iptables chains of our own. Works in the network
// namespace of the process. Its state is in the kernel and in <data dir>/network/ipam.json: a new object
// adopts it.
class BridgeNetwork final : public PodNetwork, public PodAttachments {
 public:
  BridgeNetwork(rt::BlockingPool& pool, std::string data_dir);

  rt::Task<Result<void>> configure(PodNetworkConfig config) override;
  bool ready() const override { return ready_; }
  std::string vtep_mac() const override { return vtep_mac_; }
  rt::Task<Result<void>> set_peers(std::vector<PeerNode> peers) override;
  rt::Task<Result<void>> tear_down() override;

  rt::Task<Result<std::string>> attach(std::string sandbox_id, int pid) override;
  rt::Task<Result<void>> detach(std::string sandbox_id) override;
  rt::Task<Result<void>> set_host_ports(std::vector<HostPort> ports) override;

  struct Plan {  // a parsed PodNetworkConfig
    Ipv4Net pods, cluster, services;
    Ipv4 node;
    std::string device;  // that has node's address
    int mtu = 0;         // of pods
    std::string mac;     // of the VXLAN device
  };

 private:
  struct Shared {  // with threads that may outlive a cancelled caller
    explicit Shared(std::string path) : ipam(std::move(path)) {}
    std::mutex mutex;
    Ipam ipam;
    Plan plan;
    bool loaded = false;
    std::vector<std::string> released;  // before the leases were loaded
    std::mutex ports_mutex;
    std::uint64_t ports_turn = 0;
    std::vector<HostPort> ports;  // in force
  };

  rt::BlockingPool& pool_;
  std::string data_dir_;
  std::shared_ptr<Shared> shared_;
  bool ready_ = false;
  std::uint64_t ports_turn_ = 0;
  std::string vtep_mac_;
};

}  // namespace mk::kubelet
