#include "mk/net/conntrack.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

namespace mk::net {

namespace {

Error broken(const char* what) {
  return Error(Reason::kInternalError,
               std::string("conntrack netlink: ") + what + ": " + std::strerror(errno));
}

// Attributes of a netlink message by type, within their bounds. Nested ones are read the same way.
std::string_view attribute(std::string_view data, int wanted) {
  while (data.size() >= sizeof(nlattr)) {
    nlattr header;
    std::memcpy(&header, data.data(), sizeof header);
    if (header.nla_len < sizeof header || header.nla_len > data.size()) break;
    if ((header.nla_type & NLA_TYPE_MASK) == wanted)
      return data.substr(sizeof header, header.nla_len - sizeof header);
    data.remove_prefix(std::min<std::size_t>(NLA_ALIGN(header.nla_len), data.size()));
  }
  return {};
}

std::string ip_text(std::string_view bytes) {
  char text[INET_ADDRSTRLEN] = "";
  if (bytes.size() == 4) inet_ntop(AF_INET, bytes.data(), text, sizeof text);
  return text;
}

struct Found {
  Flow flow;
  std::string original;  // the tuple as the kernel sent it, by which it is deleted
};

std::optional<Found> read_flow(std::string_view message) {
  if (message.size() < sizeof(nfgenmsg)) return std::nullopt;
  const auto attributes = message.substr(sizeof(nfgenmsg));
  const auto original = attribute(attributes, CTA_TUPLE_ORIG), reply = attribute(attributes, CTA_TUPLE_REPLY);
  const auto protocol = attribute(attribute(original, CTA_TUPLE_PROTO), CTA_PROTO_NUM);
  const auto port = attribute(attribute(original, CTA_TUPLE_PROTO), CTA_PROTO_DST_PORT);
  if (protocol.size() != 1 || protocol[0] != IPPROTO_UDP || port.size() != 2) return std::nullopt;
  Found found;
  found.flow.to_ip = ip_text(attribute(attribute(original, CTA_TUPLE_IP), CTA_IP_V4_DST));
  found.flow.from_ip = ip_text(attribute(attribute(reply, CTA_TUPLE_IP), CTA_IP_V4_SRC));
  found.flow.to_port = static_cast<std::uint8_t>(port[0]) << 8 | static_cast<std::uint8_t>(port[1]);
  found.original = original;
  return found;
}

class Netlink {
 public:
  Netlink() : fd_(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER)) {
    const timeval limit{10, 0};
    if (fd_ >= 0) setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }
  ~Netlink() {
    if (fd_ >= 0) close(fd_);
  }
  Netlink(const Netlink&) = delete;
  bool open() const { return fd_ >= 0; }

  bool send(int type, int flags, std::string_view attributes) {
    std::string out(NLMSG_SPACE(sizeof(nfgenmsg)), '\0');
    nlmsghdr header{};
    header.nlmsg_len = static_cast<std::uint32_t>(out.size() + attributes.size());
    header.nlmsg_type = static_cast<std::uint16_t>(NFNL_SUBSYS_CTNETLINK << 8 | type);
    header.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
    nfgenmsg family{};
    family.nfgen_family = AF_INET;
    std::memcpy(out.data(), &header, sizeof header);
    std::memcpy(out.data() + NLMSG_HDRLEN, &family, sizeof family);
    out += attributes;
    return ::send(fd_, out.data(), out.size(), 0) == static_cast<ssize_t>(out.size());
  }

  // Gives every message to `each(type, payload)` until it returns false. False when receiving fails.
  template <class F>
  bool receive(F each) {
    for (;;) {
      const ssize_t size = recv(fd_, buffer_, sizeof buffer_, 0);
      if (size < 0 && errno == EINTR) continue;
      if (size <= 0) return false;
      std::string_view data(buffer_, static_cast<std::size_t>(size));
      while (data.size() >= sizeof(nlmsghdr)) {
        nlmsghdr header;
        std::memcpy(&header, data.data(), sizeof header);
        if (header.nlmsg_len < sizeof header || header.nlmsg_len > data.size()) return false;
        if (!each(header.nlmsg_type, data.substr(NLMSG_HDRLEN, header.nlmsg_len - NLMSG_HDRLEN))) return true;
        data.remove_prefix(std::min<std::size_t>(NLMSG_ALIGN(header.nlmsg_len), data.size()));
      }
    }
  }

 private:
  int fd_;
  char buffer_[64 << 10];
};

int error_code(std::string_view payload) {
  int code = 0;
  if (payload.size() >= sizeof code) std::memcpy(&code, payload.data(), sizeof code);
  return -code;
}

std::string tuple_attribute(const std::string& tuple) {
  nlattr header;
  header.nla_len = static_cast<std::uint16_t>(sizeof header + tuple.size());
  header.nla_type = CTA_TUPLE_ORIG | NLA_F_NESTED;
  std::string out(reinterpret_cast<const char*>(&header), sizeof header);
  out += tuple;
  out.resize(NLA_ALIGN(out.size()));
  return out;
}

}  // namespace

Result<int> forget_flows(const std::function<bool(const Flow&)>& stale) {
  Netlink netlink;
  if (!netlink.open() || !netlink.send(IPCTNL_MSG_CT_GET, NLM_F_DUMP, {})) return broken("ask");
  std::vector<std::string> wrong;
  int code = 0;
  const bool complete = netlink.receive([&](int type, std::string_view payload) {
    if (type == NLMSG_DONE) return false;
    if (type == NLMSG_ERROR) return code = error_code(payload), false;
    const auto found = read_flow(payload);
    if (found && stale(found->flow)) wrong.push_back(found->original);
    return true;
  });
  if (!complete) return broken("list");
  if (code != 0) return errno = code, broken("list");
  int count = 0;
  for (const auto& tuple : wrong) {
    if (!netlink.send(IPCTNL_MSG_CT_DELETE, NLM_F_ACK, tuple_attribute(tuple))) return broken("delete");
    const bool answered = netlink.receive([&](int type, std::string_view payload) {
      code = type == NLMSG_ERROR ? error_code(payload) : 0;
      return false;
    });
    if (!answered) return broken("delete");
    if (code != 0 && code != ENOENT) return errno = code, broken("delete");
    count += code == 0;
  }
  return count;
}

}  // namespace mk::net
