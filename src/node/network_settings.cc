#include "network_settings.h"

#include <arpa/inet.h>

#include "mk/base/strings.h"

namespace mk::node {
namespace {

struct Cidr {
  std::uint32_t base = 0;
  int bits = 0;
  std::uint32_t last() const { return base | (bits == 32 ? 0 : 0xffffffffu >> bits); }
};

Result<Cidr> parse_cidr(const std::string& flag, const std::string& text) {
  const Error bad(Reason::kInvalid, flag + " must be an IPv4 range like 10.42.0.0/16, not \"" + text + "\"");
  const auto slash = text.find('/');
  if (slash == std::string::npos) return bad;
  in_addr address{};
  const auto bits = parse_int(std::string_view(text).substr(slash + 1));
  if (::inet_pton(AF_INET, text.substr(0, slash).c_str(), &address) != 1 || !bits || *bits < 8 || *bits > 28)
    return bad;
  Cidr out;
  out.bits = static_cast<int>(*bits);
  out.base = ntohl(address.s_addr) & ~(0xffffffffu >> out.bits);
  return out;
}

std::string to_text(std::uint32_t host_order) {
  const in_addr address{htonl(host_order)};
  char text[INET_ADDRSTRLEN];
  return ::inet_ntop(AF_INET, &address, text, sizeof text);
}

}  // namespace

bool is_address(const std::string& text) {
  in6_addr address{};
  return ::inet_pton(AF_INET, text.c_str(), &address) == 1 ||
         ::inet_pton(AF_INET6, text.c_str(), &address) == 1;
}

std::optional<unsigned> parse_file_mode(const std::string& text) {
  unsigned mode = 0;
  if (text.empty() || text.size() > 4) return std::nullopt;
  for (char c : text) {
    if (c < '0' || c > '7') return std::nullopt;
    mode = mode * 8 + static_cast<unsigned>(c - '0');
  }
  return mode;
}

Result<NetworkSettings> check_network(const Options& options) {
  MK_ASSIGN(const Cidr cluster, parse_cidr("--cluster-cidr", options.cluster_cidr));
  MK_ASSIGN(const Cidr service, parse_cidr("--service-cidr", options.service_cidr));
  if (cluster.base <= service.last() && service.base <= cluster.last())
    return Error(Reason::kInvalid, "--cluster-cidr " + options.cluster_cidr + " and --service-cidr " +
                                       options.service_cidr + " overlap");
  NetworkSettings out;
  out.api_address = to_text(service.base + 1);
  out.cluster_dns = options.cluster_dns.empty() ? to_text(service.base + 10) : options.cluster_dns;
  const auto& range = options.service_node_port_range;
  const auto dash = range.find('-');
  const auto first = parse_int(std::string_view(range).substr(0, dash));
  const auto last =
      dash == std::string::npos ? std::nullopt : parse_int(std::string_view(range).substr(dash + 1));
  if (!first || !last || *first < 1 || *last > 65535 || *first > *last)
    return Error(Reason::kInvalid,
                 "--service-node-port-range must be like 30000-32767, not \"" + range + "\"");
  out.node_port_first = static_cast<int>(*first);
  out.node_port_last = static_cast<int>(*last);
  return out;
}

}  // namespace mk::node
