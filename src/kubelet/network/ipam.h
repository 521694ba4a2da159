#pragma once

#include <map>
#include <set>
#include <string>

#include "mk/base/result.h"
#include "network/netlink.h"

namespace mk::kubelet {

// Host-local addresses of one pod CIDR. Goes round: an address freed a moment ago comes last, so that
// nobody's stale connection meets a new pod. Every change is on disk before it is used. Leases are of one
// boot.
class Ipam {
 public:
  explicit Ipam(std::string path) : path_(std::move(path)) {}

  Result<void> load(const Ipv4Net& network, const std::string& boot_id);
  // The same address for the same owner. kServiceUnavailable when all are taken.
  Result<Ipv4> acquire(const std::string& owner);
  Result<void> release(const std::string& owner);
  Ipv4 gateway() const { return network_.at(1); }

 private:
  Result<void> save() const;

  std::string path_, boot_id_;
  Ipv4Net network_;
  std::uint32_t next_ = 2;              // offset within the network
  std::map<std::string, Ipv4> leases_;  // by owner
  std::set<std::uint32_t> taken_;
};

}  // namespace mk::kubelet
