#include "network/bridge_network.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include <set>

#include "images/digest.h"
#include "mk/base/files.h"
#include "mk/base/log.h"
#include "mk/base/strings.h"
#include "network/iptables.h"

namespace mk::kubelet {
namespace {

constexpr Log kLog("kubelet");
constexpr const char* kBridge = "mk0";
constexpr const char* kVxlan = "mkvx.1";
constexpr int kVxlanOverhead = 50;

std::string veth_name(const std::string& sandbox_id) {
  return "mkv" + std::string(digest_hex(sha256_digest(sandbox_id)).substr(0, 10));
}

// The bridge, the tunnel and every pod's leg that this network namespace has, whoever made them.
std::vector<std::string> our_links() {
  std::vector<std::string> out;
  struct if_nameindex* all = ::if_nameindex();
  for (const auto* item = all; item != nullptr && item->if_index != 0; ++item) {
    const std::string_view name = item->if_name;
    if (name == kBridge || name.starts_with("mkv")) out.emplace_back(name);
  }
  if (all != nullptr) ::if_freenameindex(all);
  return out;
}

std::string device_of(Ipv4 address) {
  ifaddrs* all = nullptr;
  std::string out;
  if (::getifaddrs(&all) != 0) return out;
  for (const ifaddrs* item = all; item != nullptr; item = item->ifa_next) {
    if (item->ifa_addr == nullptr || item->ifa_addr->sa_family != AF_INET) continue;
    if (ntohl(reinterpret_cast<const sockaddr_in*>(item->ifa_addr)->sin_addr.s_addr) == address.value)
      out = item->ifa_name;
  }
  ::freeifaddrs(all);
  return out;
}

// Locally administered, and the same after every restart: peers keep it in their tables.
std::string mac_of(const std::string& node_ip) {
  const std::string hash = sha256_digest("mk vtep " + node_ip).substr(7);
  std::string out = "0a";
  for (std::size_t i = 0; i < 5; ++i) out += ":" + hash.substr(2 * i, 2);
  return out;
}

Result<BridgeNetwork::Plan> make_plan(const PodNetworkConfig& config) {
  BridgeNetwork::Plan out;
  MK_ASSIGN(out.pods, Ipv4Net::parse(config.pod_cidr));
  MK_ASSIGN(out.cluster, Ipv4Net::parse(config.cluster_cidr));
  MK_ASSIGN(out.services, Ipv4Net::parse(config.service_cidr));
  const auto node = Ipv4::parse(config.node_ip);
  if (!node) return Error(Reason::kInvalid, "node IP \"" + config.node_ip + "\" is no IPv4 address");
  out.node = *node;
  out.device = device_of(*node);
  if (out.device.empty())
    return Error(Reason::kInvalid,
                 "no interface of this node has the address " + config.node_ip + "; set --node-ip");
  out.mac = mac_of(config.node_ip);
  out.mtu = config.mtu;
  return out;
}

void set_sysctl(const std::string& name, const char* value, bool needed) {
  const std::string path = "/proc/sys/" + name;
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (fd && write_fully(fd.get(), value)) return;
  if (needed) kLog.warn("cannot set a sysctl", "path", path, "value", value, "error", std::strerror(errno));
}

void set_sysctls() {
  set_sysctl("net/ipv4/ip_forward", "1", true);
  // Absent when br_netfilter is no part of the kernel: then services between pods of one node need it loaded.
  set_sysctl("net/bridge/bridge-nf-call-iptables", "1", true);
  set_sysctl("net/ipv4/conf/all/rp_filter", "0", true);
  set_sysctl("net/ipv4/conf/all/route_localnet", "1", true);  // NodePorts on 127.0.0.1
  for (const char* name : {"all", kBridge}) {
    const std::string device = std::string("net/ipv4/conf/") + name;
    set_sysctl(device + "/send_redirects", "0", true);  // they would use up the ICMP rate that REJECT needs
    set_sysctl(device + "/rp_filter", "0", true);
  }
  set_sysctl(std::string("net/ipv4/conf/") + kVxlan + "/rp_filter", "0", true);
  set_sysctl(std::string("net/ipv6/conf/") + kVxlan + "/disable_ipv6", "1", false);
}

constexpr Jump kJumps[] = {{"nat", "POSTROUTING", "MK-POSTROUTING"}, {"filter", "FORWARD", "MK-FORWARD"}};

// Our chains are replaced whole; the jumps into them are added once, behind what others put before.
Result<void> put_rules(const BridgeNetwork::Plan& plan) {
  const std::string pods = plan.pods.network().str() + "/" + std::to_string(plan.pods.prefix);
  const std::string cluster = plan.cluster.network().str() + "/" + std::to_string(plan.cluster.prefix);
  MK_TRY(
      restore_rules("*nat\n:MK-POSTROUTING - [0:0]\n"
                    "-A MK-POSTROUTING -s " +
                    pods + " -d " + cluster +
                    " -j RETURN\n"
                    "-A MK-POSTROUTING -s " +
                    pods +
                    " -d 224.0.0.0/4 -j RETURN\n"
                    "-A MK-POSTROUTING -s " +
                    pods +
                    " -j MASQUERADE --random-fully\n"
                    "COMMIT\n*filter\n:MK-FORWARD - [0:0]\n"
                    "-A MK-FORWARD -s " +
                    cluster +
                    " -j ACCEPT\n"
                    "-A MK-FORWARD -d " +
                    cluster + " -j ACCEPT\nCOMMIT\n"));
  return put_jumps(kJumps);
}

Result<void> put_vxlan(Netlink& netlink, const BridgeNetwork::Plan& plan) {
  // One with another address or MAC is of an earlier life of this node.
  if (const auto old = netlink.link(kVxlan); old && old->mac != plan.mac) MK_TRY(netlink.delete_link(kVxlan));
  Netlink::Vxlan vxlan;
  vxlan.name = kVxlan;
  vxlan.mac = plan.mac;
  vxlan.device = plan.device;
  vxlan.local = plan.node;
  vxlan.mtu = plan.mtu;
  MK_TRY(netlink.add_vxlan(vxlan));
  const auto made = netlink.link(kVxlan);
  if (!made) return Error(Reason::kInternalError, "the VXLAN device has vanished");
  // The network's own address is the source of what this host itself sends to other nodes' pods.
  MK_TRY(netlink.add_address(made->index, Ipv4Net{plan.pods.network(), 32}));
  return netlink.set_up(made->index);
}

Result<void> put_bridge(Netlink& netlink, const BridgeNetwork::Plan& plan) {
  MK_TRY(netlink.add_bridge(kBridge, plan.mtu));
  const auto bridge = netlink.link(kBridge);
  if (!bridge) return Error(Reason::kInternalError, "the bridge has vanished");
  MK_TRY(netlink.add_address(bridge->index, Ipv4Net{plan.pods.at(1), plan.pods.prefix}));
  MK_TRY(netlink.set_up(bridge->index));
  // A host without a default route would refuse to send to a ClusterIP before any rule could redirect it.
  return netlink.put_route(plan.services, std::nullopt, bridge->index);
}

struct Peer {
  Ipv4Net pods;
  Ipv4 node;
  std::string mac;
};

Result<void> put_peer(Netlink& netlink, int device, const Peer& peer) {
  const Ipv4 gateway = peer.pods.network();
  MK_TRY(netlink.put_forward(device, peer.mac, peer.node));
  MK_TRY(netlink.put_neighbor(device, gateway, peer.mac));
  return netlink.put_route(peer.pods, gateway, device);
}

// Makes the kernel's tables of the VXLAN device hold these peers and no others.
Result<void> put_peers(const std::vector<Peer>& peers) {
  MK_ASSIGN(Netlink netlink, Netlink::open());
  const auto device = netlink.link(kVxlan);
  if (!device) return Error(Reason::kServiceUnavailable, "the pod network is not configured");
  std::set<std::uint32_t> networks;
  std::set<std::pair<std::string, std::uint32_t>> hosts;
  for (const auto& peer : peers) {
    networks.insert(peer.pods.network().value);
    hosts.emplace(peer.mac, peer.node.value);
  }
  for (const auto& route : netlink.routes(device->index))
    if (networks.count(route.destination.network().value) == 0)
      MK_TRY(netlink.delete_route(route.destination, device->index));
  for (const auto& entry : netlink.neighbors(device->index))
    if (networks.count(entry.address.value) == 0)
      MK_TRY(netlink.delete_neighbor(device->index, entry.address));
  for (const auto& entry : netlink.forwards(device->index))
    if (hosts.count({entry.mac, entry.address.value}) == 0)
      MK_TRY(netlink.delete_forward(device->index, entry.mac, entry.address));
  for (const auto& peer : peers) MK_TRY(put_peer(netlink, device->index, peer));
  return ok();
}

Result<void> connect_pod(const BridgeNetwork::Plan& plan, Ipv4 address, Ipv4 gateway, const std::string& name,
                         int pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/ns/net";
  const UniqueFd target(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!target) return sys_error("open", path);
  MK_ASSIGN(Netlink host, Netlink::open());
  MK_TRY(host.delete_link(name));  // of an attempt that did not get to its end
  MK_TRY(host.add_veth(name, "eth0", target.get(), plan.mtu));
  const auto bridge = host.link(kBridge), port = host.link(name);
  if (!bridge || !port)
    return Error(Reason::kServiceUnavailable,
                 "the bridge mk0 is gone; the pod network must be configured again");
  MK_TRY(host.join_bridge(port->index, bridge->index));
  MK_TRY(host.set_up(port->index));
  MK_ASSIGN(Netlink pod, Netlink::open_in(path));
  const auto inner = pod.link("eth0");
  if (!inner) return Error(Reason::kInternalError, "the pod's eth0 has vanished");
  MK_TRY(pod.add_address(inner->index, Ipv4Net{address, plan.pods.prefix}));
  MK_TRY(pod.set_up(inner->index));
  return pod.put_route(Ipv4Net{}, gateway, inner->index);
}

}  // namespace

BridgeNetwork::BridgeNetwork(rt::BlockingPool& pool, std::string data_dir)
    : pool_(pool),
      data_dir_(std::move(data_dir)),
      shared_(std::make_shared<Shared>(data_dir_ + "/network/ipam.json")) {}

rt::Task<Result<void>> BridgeNetwork::configure(PodNetworkConfig config) {
  auto work = [shared = shared_, config, folder = data_dir_ + "/network"]() -> Result<std::string> {
    MK_ASSIGN(Plan plan, make_plan(config));
    MK_ASSIGN(Netlink netlink, Netlink::open());
    if (plan.mtu == 0)
      plan.mtu = netlink.link(plan.device).value_or(LinkInfo{0, 1500, ""}).mtu - kVxlanOverhead;
    plan.mtu = std::min(plan.mtu, 65485);  // of lo: more than a veth can have
    MK_ASSIGN(const std::string boot, read_file("/proc/sys/kernel/random/boot_id"));
    MK_TRY(make_dirs(folder));
    const std::lock_guard lock(shared->mutex);
    MK_TRY(shared->ipam.load(plan.pods, std::string(trim(boot))));
    shared->loaded = true;
    for (const auto& owner : std::exchange(shared->released, {})) MK_TRY(shared->ipam.release(owner));
    MK_TRY(put_bridge(netlink, plan));
    MK_TRY(put_vxlan(netlink, plan));
    set_sysctls();
    MK_TRY(put_rules(plan));
    shared->plan = plan;
    return plan.mac;
  };
  auto mac = co_await pool_.run(std::move(work));
  if (!mac.ok()) co_return std::move(mac).error().wrap("configure the pod network");
  vtep_mac_ = *mac;
  ready_ = true;
  co_return ok();
}

rt::Task<Result<void>> BridgeNetwork::set_peers(std::vector<PeerNode> peers) {
  std::vector<Peer> parsed;
  for (const auto& peer : peers) {
    const auto pods = Ipv4Net::parse(peer.pod_cidr);
    const auto node = Ipv4::parse(peer.node_ip);
    if (pods.ok() && node && peer.vtep_mac.size() == 17)
      parsed.push_back({*pods, *node, peer.vtep_mac});
    else
      kLog.warn("node left out of the pod network until its data are complete", "node", peer.name);
  }
  auto work = [parsed = std::move(parsed)] { return put_peers(parsed); };
  co_return co_await pool_.run(std::move(work));
}

rt::Task<Result<void>> BridgeNetwork::tear_down() {
  ready_ = false;
  auto work = [shared = shared_, path = data_dir_ + "/network"]() -> Result<void> {
    const std::lock_guard lock(shared->mutex);
    shared->loaded = false;
    MK_ASSIGN(Netlink netlink, Netlink::open());
    for (const auto& name : our_links()) MK_TRY(netlink.delete_link(name));
    MK_TRY(remove_chains(kJumps));
    MK_TRY(remove_host_ports());
    return remove_tree(path);
  };
  co_return co_await pool_.run(std::move(work));
}

// Callers overlap; the list made last counts.
rt::Task<Result<void>> BridgeNetwork::set_host_ports(std::vector<HostPort> ports) {
  auto work = [shared = shared_, ports = std::move(ports), turn = ++ports_turn_]() -> Result<void> {
    std::unique_lock plan_lock(shared->mutex);
    const std::string node_ip = shared->plan.node.str();
    plan_lock.unlock();
    const std::lock_guard lock(shared->ports_mutex);
    if (turn < shared->ports_turn) return ok();
    shared->ports_turn = turn;
    MK_TRY(put_host_ports(ports));
    const auto before = std::exchange(shared->ports, ports);
    if (!has_udp(before) && !has_udp(ports)) return ok();
    const auto stale = [&](const net::Flow& flow) { return is_stale(flow, before, ports, node_ip); };
    // Where the kernel tracks no connections there is nothing to forget.
    if (const auto forgotten = net::forget_flows(stale); !forgotten.ok())
      kLog.warn("old UDP flows may go astray", "error", forgotten.error().message());
    return ok();
  };
  co_return co_await pool_.run(std::move(work));
}

rt::Task<Result<std::string>> BridgeNetwork::attach(std::string sandbox_id, int pid) {
  if (!ready_)
    co_return Error(Reason::kServiceUnavailable, "network is not ready: the node has no pod CIDR yet");
  auto work = [shared = shared_, sandbox_id, pid]() -> Result<std::string> {
    std::unique_lock lock(shared->mutex);
    MK_ASSIGN(const Ipv4 address, shared->ipam.acquire(sandbox_id));
    const Plan plan = shared->plan;
    const Ipv4 gateway = shared->ipam.gateway();
    lock.unlock();
    if (auto connected = connect_pod(plan, address, gateway, veth_name(sandbox_id), pid); !connected.ok())
      return std::move(connected).error().wrap("connect the pod to the network");
    return address.str();
  };
  co_return co_await pool_.run(std::move(work));
}

// The device goes with the pod's namespace; deleting it here would block for the kernel's grace period.
rt::Task<Result<void>> BridgeNetwork::detach(std::string sandbox_id) {
  auto work = [shared = shared_, sandbox_id]() -> Result<void> {
    // A connection that was open when its program died can keep the pod's namespace for minutes, and it
    // would go on answering for an address that another pod may have by then.
    MK_ASSIGN(Netlink netlink, Netlink::open());
    MK_TRY(netlink.delete_link(veth_name(sandbox_id)));
    const std::lock_guard lock(shared->mutex);
    if (shared->loaded) return shared->ipam.release(sandbox_id);
    shared->released.push_back(sandbox_id);
    return ok();
  };
  co_return co_await pool_.run(std::move(work));
}

}  // namespace mk::kubelet
