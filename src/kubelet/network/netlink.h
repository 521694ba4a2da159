#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "images/fs.h"
#include "mk/base/result.h"

namespace mk::kubelet {

// IPv4 address in host byte order, and a network.
struct Ipv4 {
  std::uint32_t value = 0;
  static std::optional<Ipv4> parse(const std::string& text);
  std::string str() const;
};
struct Ipv4Net {
  Ipv4 address;  // as written
  int prefix = 0;
  std::uint32_t mask() const { return prefix == 0 ? 0 : ~0u << (32 - prefix); }
  Ipv4 network() const { return {address.value & mask()}; }
  Ipv4 at(std::uint32_t offset) const { return {network().value + offset}; }
  std::uint32_t size() const { return prefix == 0 ? ~0u : 1u << (32 - prefix); }
  static Result<Ipv4Net> parse(const std::string& text);  // kInvalid with the text
};

struct LinkInfo {
  int index = 0;
  int mtu = 0;
  std::string mac;  // "aa:bb:..."
};
struct RouteInfo {
  Ipv4Net destination;
  Ipv4 via;
};
// An entry of the neighbour table, or (family bridge) of a VXLAN's forwarding table.
struct NeighborInfo {
  std::string mac;
  Ipv4 address;
};

// rtnetlink, blocking: what the pod network needs of `ip` and `bridge`. Bound to the network namespace it was
// opened in. "Exists already" and "is not there" are no errors.
class Netlink {
 public:
  static Result<Netlink> open();
  // In the namespace of another process; the thread itself stays where it is.
  static Result<Netlink> open_in(const std::string& namespace_path);

  std::optional<LinkInfo> link(const std::string& name);
  Result<void> add_bridge(const std::string& name, int mtu);
  struct Vxlan {
    std::string name, mac, device;
    Ipv4 local;
    int vni = 1, port = 8472, mtu = 1450;
  };
  Result<void> add_vxlan(const Vxlan& vxlan);
  // The peer appears as `peer` in the namespace `peer_namespace`.
  Result<void> add_veth(const std::string& name, const std::string& peer, int peer_namespace, int mtu);
  Result<void> set_up(int index);
  Result<void> join_bridge(int index, int bridge);  // and lets a pod reach itself through a service (hairpin)
  Result<void> delete_link(const std::string& name);
  Result<void> add_address(int index, Ipv4Net address);
  Result<void> put_route(Ipv4Net destination, std::optional<Ipv4> via, int index);
  Result<void> delete_route(Ipv4Net destination, int index);
  Result<void> put_neighbor(int index, Ipv4 address, const std::string& mac);
  Result<void> delete_neighbor(int index, Ipv4 address);
  Result<void> put_forward(int index, const std::string& mac, Ipv4 host);  // frames for mac go to host
  Result<void> delete_forward(int index, const std::string& mac, Ipv4 host);
  std::vector<RouteInfo> routes(int index);
  std::vector<NeighborInfo> neighbors(int index);
  std::vector<NeighborInfo> forwards(int index);

 private:
  class Message;
  explicit Netlink(UniqueFd fd) : fd_(std::move(fd)) {}
  // The kernel's errno; 0 is success. Answers other than the acknowledgement are appended to `answers`.
  int transact(Message& message, std::vector<std::string>* answers = nullptr);
  Result<void> perform(Message& message, const std::string& what, int harmless = 0);
  Result<void> neighbor(int type, int flags, int index, int family, Ipv4 address, const std::string& mac,
                        const std::string& what);
  std::vector<NeighborInfo> dump_neighbors(int index, int family);

  UniqueFd fd_;
  std::uint32_t sequence_ = 0;
};

}  // namespace mk::kubelet
