#include "network/netlink.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <sys/socket.h>

#include <cstdio>

#include "mk/base/strings.h"

namespace mk::kubelet {
namespace {

std::string mac_bytes(const std::string& mac) {
  std::string out;
  for (const auto part : split(mac, ':'))
    out.push_back(static_cast<char>(std::strtol(std::string(part).c_str(), nullptr, 16)));
  return out;
}

std::string mac_text(std::string_view bytes) {
  std::string out;
  for (const unsigned char byte : bytes) {
    char part[4];
    std::snprintf(part, sizeof part, "%s%02x", out.empty() ? "" : ":", byte);
    out += part;
  }
  return out;
}

Ipv4 read_address(const rtattr* attribute) {
  std::uint32_t value = 0;
  std::memcpy(&value, RTA_DATA(attribute), sizeof value);
  return {ntohl(value)};
}

// Calls `take` with each attribute behind a message's header of type Header.
template <class Header, class F>
const Header* walk(const std::string& packet, F take) {
  const auto* message = reinterpret_cast<const nlmsghdr*>(packet.data());
  const auto* header = static_cast<const Header*>(NLMSG_DATA(message));
  auto left = static_cast<int>(message->nlmsg_len - NLMSG_LENGTH(sizeof(Header)));
  const auto* attribute =
      reinterpret_cast<const rtattr*>(reinterpret_cast<const char*>(header) + NLMSG_ALIGN(sizeof(Header)));
  for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) take(attribute);
  return header;
}

}  // namespace

std::optional<Ipv4> Ipv4::parse(const std::string& text) {
  in_addr address{};
  if (::inet_pton(AF_INET, text.c_str(), &address) != 1) return std::nullopt;
  return Ipv4{ntohl(address.s_addr)};
}

std::string Ipv4::str() const {
  char out[20];
  std::snprintf(out, sizeof out, "%u.%u.%u.%u", value >> 24, value >> 16 & 255, value >> 8 & 255,
                value & 255);
  return out;
}

Result<Ipv4Net> Ipv4Net::parse(const std::string& text) {
  const auto slash = text.find('/');
  const auto address = Ipv4::parse(text.substr(0, slash));
  const auto prefix = slash == std::string::npos ? std::nullopt : parse_int(text.substr(slash + 1));
  if (!address || !prefix || *prefix < 1 || *prefix > 32)
    return Error(Reason::kInvalid, "\"" + text + "\" is no IPv4 network such as 10.42.0.0/24");
  return Ipv4Net{*address, static_cast<int>(*prefix)};
}

// Builds one request.
class Netlink::Message {
 public:
  Message(int type, int flags) {
    data_.resize(NLMSG_HDRLEN);
    header()->nlmsg_type = static_cast<std::uint16_t>(type);
    header()->nlmsg_flags = static_cast<std::uint16_t>(flags | NLM_F_REQUEST);
  }
  template <class T>
  Message& body(const T& value) {
    append(&value, sizeof value);
    return *this;
  }
  Message& bytes(int type, const void* value, std::size_t size) {
    const rtattr attribute{static_cast<std::uint16_t>(RTA_LENGTH(size)), static_cast<std::uint16_t>(type)};
    append(&attribute, sizeof attribute);
    append(value, size);
    return *this;
  }
  Message& text(int type, const std::string& value) { return bytes(type, value.c_str(), value.size() + 1); }
  Message& address(int type, Ipv4 value) {
    const std::uint32_t network = htonl(value.value);
    return bytes(type, &network, sizeof network);
  }
  template <class T>
  Message& number(int type, T value) {
    return bytes(type, &value, sizeof value);
  }
  std::size_t begin(int type) {
    const std::size_t at = data_.size();
    bytes(type, nullptr, 0);
    return at;
  }
  void end(std::size_t at) {
    reinterpret_cast<rtattr*>(data_.data() + at)->rta_len = static_cast<std::uint16_t>(data_.size() - at);
  }
  nlmsghdr* header() { return reinterpret_cast<nlmsghdr*>(data_.data()); }
  std::string& data() { return data_; }

 private:
  void append(const void* value, std::size_t size) {
    if (size > 0) data_.append(static_cast<const char*>(value), size);
    data_.resize(NLMSG_ALIGN(data_.size()));
  }
  std::string data_;
};

Result<Netlink> Netlink::open() {
  UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!fd) return sys_error("open", "a netlink socket");
  return Netlink(std::move(fd));
}

Result<Netlink> Netlink::open_in(const std::string& namespace_path) {
  const UniqueFd own(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  const UniqueFd target(::open(namespace_path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!own || !target || ::setns(target.get(), CLONE_NEWNET) != 0) return sys_error("enter", namespace_path);
  auto out = open();
  MK_ASSERT(::setns(own.get(), CLONE_NEWNET) == 0);  // a thread in the wrong network must not go on
  return out;
}

int Netlink::transact(Message& message, std::vector<std::string>* answers) {
  message.header()->nlmsg_len = static_cast<std::uint32_t>(message.data().size());
  message.header()->nlmsg_seq = ++sequence_;
  const bool dump = (message.header()->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
  if (!dump) message.header()->nlmsg_flags |= NLM_F_ACK;
  if (::send(fd_.get(), message.data().data(), message.data().size(), 0) < 0) return errno;
  alignas(nlmsghdr) static thread_local char buffer[65536];
  for (;;) {
    auto got = static_cast<int>(::recv(fd_.get(), buffer, sizeof buffer, 0));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno;
    for (auto* part = reinterpret_cast<nlmsghdr*>(buffer); NLMSG_OK(part, static_cast<unsigned>(got));
         part = NLMSG_NEXT(part, got)) {
      if (part->nlmsg_seq != sequence_) continue;
      if (part->nlmsg_type == NLMSG_DONE) return 0;
      if (part->nlmsg_type == NLMSG_ERROR) return -static_cast<const nlmsgerr*>(NLMSG_DATA(part))->error;
      if (answers != nullptr) answers->emplace_back(reinterpret_cast<const char*>(part), part->nlmsg_len);
    }
  }
}

Result<void> Netlink::perform(Message& message, const std::string& what, int harmless) {
  const int code = transact(message);
  if (code == 0 || code == harmless) return ok();
  return Error(Reason::kInternalError, what + ": " + std::strerror(code));
}

std::optional<LinkInfo> Netlink::link(const std::string& name) {
  Message message(RTM_GETLINK, 0);
  message.body(ifinfomsg{}).text(IFLA_IFNAME, name);
  std::vector<std::string> answers;
  if (transact(message, &answers) != 0 || answers.empty()) return std::nullopt;
  LinkInfo out;
  const auto* header = walk<ifinfomsg>(answers[0], [&](const rtattr* attribute) {
    if (attribute->rta_type == IFLA_MTU) out.mtu = *static_cast<const int*>(RTA_DATA(attribute));
    if (attribute->rta_type == IFLA_ADDRESS)
      out.mac =
          mac_text(std::string_view(static_cast<const char*>(RTA_DATA(attribute)), RTA_PAYLOAD(attribute)));
  });
  out.index = header->ifi_index;
  return out;
}

Result<void> Netlink::add_bridge(const std::string& name, int mtu) {
  Message message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  message.body(ifinfomsg{}).text(IFLA_IFNAME, name).number(IFLA_MTU, mtu);
  const auto info = message.begin(IFLA_LINKINFO);
  message.text(IFLA_INFO_KIND, "bridge");
  message.end(info);
  return perform(message, "add bridge " + name, EEXIST);
}

Result<void> Netlink::add_vxlan(const Vxlan& vxlan) {
  const auto device = link(vxlan.device);
  if (!device) return Error(Reason::kNotFound, "no interface " + vxlan.device);
  Message message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  const std::string mac = mac_bytes(vxlan.mac);
  message.body(ifinfomsg{})
      .text(IFLA_IFNAME, vxlan.name)
      .number(IFLA_MTU, vxlan.mtu)
      .bytes(IFLA_ADDRESS, mac.data(), mac.size());
  const auto info = message.begin(IFLA_LINKINFO);
  message.text(IFLA_INFO_KIND, "vxlan");
  const auto data = message.begin(IFLA_INFO_DATA);
  message.number(IFLA_VXLAN_ID, vxlan.vni)
      .address(IFLA_VXLAN_LOCAL, vxlan.local)
      .number(IFLA_VXLAN_LINK, device->index);
  message.number(IFLA_VXLAN_PORT, htons(static_cast<std::uint16_t>(vxlan.port)))
      .number<std::uint8_t>(IFLA_VXLAN_LEARNING, 0);
  message.end(data);
  message.end(info);
  return perform(message, "add VXLAN " + vxlan.name, EEXIST);
}

Result<void> Netlink::add_veth(const std::string& name, const std::string& peer, int peer_namespace,
                               int mtu) {
  Message message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  message.body(ifinfomsg{}).text(IFLA_IFNAME, name).number(IFLA_MTU, mtu);
  const auto info = message.begin(IFLA_LINKINFO);
  message.text(IFLA_INFO_KIND, "veth");
  const auto data = message.begin(IFLA_INFO_DATA);
  const auto other = message.begin(VETH_INFO_PEER);
  message.body(ifinfomsg{})
      .text(IFLA_IFNAME, peer)
      .number(IFLA_MTU, mtu)
      .number(IFLA_NET_NS_FD, peer_namespace);
  message.end(other);
  message.end(data);
  message.end(info);
  return perform(message, "add veth " + name);
}

Result<void> Netlink::set_up(int index) {
  Message message(RTM_NEWLINK, 0);
  ifinfomsg body{};
  body.ifi_index = index;
  body.ifi_flags = body.ifi_change = IFF_UP;
  message.body(body);
  return perform(message, "bring an interface up");
}

Result<void> Netlink::join_bridge(int index, int bridge) {
  Message join(RTM_NEWLINK, 0);
  ifinfomsg body{};
  body.ifi_index = index;
  join.body(body).number(IFLA_MASTER, bridge);
  MK_TRY(perform(join, "join the bridge"));
  Message hairpin(RTM_NEWLINK, 0);
  hairpin.body(body);
  const auto info = hairpin.begin(IFLA_LINKINFO);
  hairpin.text(IFLA_INFO_SLAVE_KIND, "bridge");
  const auto data = hairpin.begin(IFLA_INFO_SLAVE_DATA);
  hairpin.number<std::uint8_t>(IFLA_BRPORT_MODE, 1);
  hairpin.end(data);
  hairpin.end(info);
  return perform(hairpin, "set hairpin mode");
}

Result<void> Netlink::delete_link(const std::string& name) {
  const auto found = link(name);
  if (!found) return ok();
  Message message(RTM_DELLINK, 0);
  ifinfomsg body{};
  body.ifi_index = found->index;
  message.body(body);
  return perform(message, "delete " + name, ENODEV);
}

Result<void> Netlink::add_address(int index, Ipv4Net address) {
  Message message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
  ifaddrmsg body{};
  body.ifa_family = AF_INET;
  body.ifa_prefixlen = static_cast<std::uint8_t>(address.prefix);
  body.ifa_index = static_cast<unsigned>(index);
  message.body(body).address(IFA_LOCAL, address.address).address(IFA_ADDRESS, address.address);
  if (address.prefix < 31) message.address(IFA_BROADCAST, address.at(address.size() - 1));
  return perform(message, "add address " + address.address.str(), EEXIST);
}

Result<void> Netlink::put_route(Ipv4Net destination, std::optional<Ipv4> via, int index) {
  Message message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE);
  rtmsg body{};
  body.rtm_family = AF_INET;
  body.rtm_dst_len = static_cast<std::uint8_t>(destination.prefix);
  body.rtm_table = RT_TABLE_MAIN;
  body.rtm_protocol = RTPROT_STATIC;
  body.rtm_scope = via ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
  body.rtm_type = RTN_UNICAST;
  if (via) body.rtm_flags = RTNH_F_ONLINK;
  message.body(body);
  if (destination.prefix > 0) message.address(RTA_DST, destination.network());
  if (via) message.address(RTA_GATEWAY, *via);
  message.number(RTA_OIF, index);
  return perform(message, "add route to " + destination.network().str());
}

Result<void> Netlink::delete_route(Ipv4Net destination, int index) {
  Message message(RTM_DELROUTE, 0);
  rtmsg body{};
  body.rtm_family = AF_INET;
  body.rtm_dst_len = static_cast<std::uint8_t>(destination.prefix);
  body.rtm_table = RT_TABLE_MAIN;
  body.rtm_scope = RT_SCOPE_NOWHERE;
  message.body(body).address(RTA_DST, destination.network()).number(RTA_OIF, index);
  return perform(message, "delete route to " + destination.network().str(), ESRCH);
}

Result<void> Netlink::neighbor(int type, int flags, int index, int family, Ipv4 address,
                               const std::string& mac, const std::string& what) {
  Message message(type, flags);
  ndmsg body{};
  body.ndm_family = static_cast<std::uint8_t>(family);
  body.ndm_ifindex = index;
  body.ndm_state = family == AF_BRIDGE ? NUD_PERMANENT | NUD_NOARP : NUD_PERMANENT;
  body.ndm_flags = family == AF_BRIDGE ? NTF_SELF : 0;
  message.body(body).address(NDA_DST, address);
  const std::string bytes = mac_bytes(mac);
  if (!mac.empty()) message.bytes(NDA_LLADDR, bytes.data(), bytes.size());
  return perform(message, what, type == RTM_DELNEIGH ? ENOENT : 0);
}

Result<void> Netlink::put_neighbor(int index, Ipv4 address, const std::string& mac) {
  return neighbor(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, index, AF_INET, address, mac,
                  "add neighbour " + address.str());
}

Result<void> Netlink::delete_neighbor(int index, Ipv4 address) {
  return neighbor(RTM_DELNEIGH, 0, index, AF_INET, address, "", "delete neighbour " + address.str());
}

Result<void> Netlink::put_forward(int index, const std::string& mac, Ipv4 host) {
  return neighbor(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, index, AF_BRIDGE, host, mac, "forward " + mac);
}

Result<void> Netlink::delete_forward(int index, const std::string& mac, Ipv4 host) {
  return neighbor(RTM_DELNEIGH, 0, index, AF_BRIDGE, host, mac, "stop forwarding " + mac);
}

std::vector<RouteInfo> Netlink::routes(int index) {
  Message message(RTM_GETROUTE, NLM_F_DUMP);
  rtmsg body{};
  body.rtm_family = AF_INET;
  message.body(body);
  std::vector<std::string> answers;
  std::vector<RouteInfo> out;
  if (transact(message, &answers) != 0) return out;
  for (const auto& answer : answers) {
    RouteInfo route;
    int device = 0;
    const auto* header = walk<rtmsg>(answer, [&](const rtattr* attribute) {
      if (attribute->rta_type == RTA_DST) route.destination.address = read_address(attribute);
      if (attribute->rta_type == RTA_GATEWAY) route.via = read_address(attribute);
      if (attribute->rta_type == RTA_OIF) device = *static_cast<const int*>(RTA_DATA(attribute));
    });
    route.destination.prefix = header->rtm_dst_len;
    if (device == index && header->rtm_table == RT_TABLE_MAIN) out.push_back(route);
  }
  return out;
}

std::vector<NeighborInfo> Netlink::dump_neighbors(int index, int family) {
  Message message(RTM_GETNEIGH, NLM_F_DUMP);
  ndmsg body{};
  body.ndm_family = static_cast<std::uint8_t>(family);
  body.ndm_ifindex = index;
  message.body(body);
  std::vector<std::string> answers;
  std::vector<NeighborInfo> out;
  if (transact(message, &answers) != 0) return out;
  for (const auto& answer : answers) {
    NeighborInfo entry;
    const auto* header = walk<ndmsg>(answer, [&](const rtattr* attribute) {
      if (attribute->rta_type == NDA_DST && RTA_PAYLOAD(attribute) == 4)
        entry.address = read_address(attribute);
      if (attribute->rta_type == NDA_LLADDR)
        entry.mac =
            mac_text(std::string_view(static_cast<const char*>(RTA_DATA(attribute)), RTA_PAYLOAD(attribute)));
    });
    if (header->ndm_ifindex == index && entry.address.value != 0 && (header->ndm_state & NUD_PERMANENT) != 0)
      out.push_back(entry);
  }
  return out;
}

std::vector<NeighborInfo> Netlink::neighbors(int index) {
  return dump_neighbors(index, AF_INET);
}
std::vector<NeighborInfo> Netlink::forwards(int index) {
  return dump_neighbors(index, AF_BRIDGE);
}

}  // namespace mk::kubelet
