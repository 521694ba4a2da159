#include "rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace mk::proxy {

namespace {

// One bit of the packet mark says "masquerade me"; the one that other Kubernetes components expect.
constexpr std::string_view kMark = "0x4000";

const Chain kServices{Table::kNat, "MK-SERVICES"};
const Chain kNodePorts{Table::kNat, "MK-NODEPORTS"};
const Chain kMarkMasq{Table::kNat, "MK-MARK-MASQ"};
const Chain kPostrouting{Table::kNat, "MK-POSTROUTING-PROXY"};
const Chain kForward{Table::kFilter, "MK-FORWARD-PROXY"};
const Chain kLoopbackGuard{Table::kFilter, "MK-LOOPBACK-PROXY"};
const Chain kNoCluster{Table::kFilter, "MK-SERVICES"};  // cluster IPs that lead nowhere
const Chain kNoExternal{Table::kFilter,
                        "MK-EXTERNAL"};  // external addresses that lead nowhere or not for all

constexpr std::array<std::string_view, 5> kOwnPrefixes = {"MK-SVC-", "MK-SVL-", "MK-EXT-", "MK-FW-",
                                                          "MK-SEP-"};

// A name's 64 bits (FNV-1a, then mixed so that every bit counts) in the 13 letters iptables has room for.
std::string hash_of(std::string_view text) {
  std::uint64_t value = 0xcbf29ce484222325u;
  for (char c : text) value = (value ^ static_cast<std::uint8_t>(c)) * 0x100000001b3u;
  value = (value ^ value >> 33) * 0xff51afd7ed558ccdu;
  value = (value ^ value >> 33) * 0xc4ceb9fe1a85ec53u;
  value ^= value >> 33;
  std::string out;
  for (int i = 0; i < 13; ++i, value >>= 5) out += "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[value & 31];
  return out;
}

// The rules of one port of a Service.
class PortRules {
 public:
  PortRules(const ServicePort& port, const Facts& facts, ServiceRules& out)
      : port_(port),
        facts_(facts),
        out_(out),
        cluster_(usable(port.endpoints, false)),
        local_(usable(port.endpoints, true)) {
    const std::string id = hash_of(port.name + "/" + port.protocol);
    svc_ = "MK-SVC-" + id, svl_ = "MK-SVL-" + id, ext_ = "MK-EXT-" + id, fw_ = "MK-FW-" + id;
  }

  void make() {
    internal();
    if (external()) {
      external_chain();
      for (const auto& ip : port_.external_ips) outside(to(ip, port_.port), "external IP", ext_);
      for (const auto& ip : port_.load_balancer_ips) load_balancer(ip);
      if (port_.node_port != 0) node_port();
    }
    if (uses_cluster()) balance(svc_, cluster_);
    if (uses_local()) balance(svl_, local_);
    endpoint_chains();
  }

 private:
  bool external() const {
    return port_.node_port != 0 || !port_.external_ips.empty() || !port_.load_balancer_ips.empty();
  }
  bool uses_cluster() const { return !cluster_.empty() && (!port_.internal_local || external()); }
  bool uses_local() const {
    return !local_.empty() && (port_.internal_local || (port_.external_local && external()));
  }

  std::string comment(std::string_view what) const {
    return fmt::format("-m comment --comment \"{}{}{}\"", port_.name, what.empty() ? "" : " ", what);
  }
  std::string match(int port) const { return fmt::format("-m {} --dport {}", port_.protocol, port); }
  std::string to(const std::string& ip, int port) const {
    return fmt::format("-d {}/32 -p {} {}", ip, port_.protocol, match(port));
  }
  Rules& own(const std::string& chain) { return out_.own[Chain{Table::kNat, chain}]; }
  void shared(const Chain& chain, std::string rule) { out_.shared[chain].push_back(std::move(rule)); }

  // Why a frontend leads nowhere: no endpoint at all is refused, none on this node is dropped (another node
  // may be the right one).
  std::string nowhere() const { return cluster_.empty() ? "-j REJECT" : "-j DROP"; }
  std::string nowhere_comment() const {
    return comment(cluster_.empty() ? "has no endpoints" : "has no local endpoints");
  }

  void internal() {
    const std::string frontend = to(port_.cluster_ip, port_.port);
    const bool reachable = port_.internal_local ? !local_.empty() : !cluster_.empty();
    if (!reachable)
      return shared(kNoCluster, fmt::format("{} {} {}", frontend, nowhere_comment(), nowhere()));
    const std::string& chain = port_.internal_local ? svl_ : svc_;
    shared(kServices, fmt::format("{} {} -j {}", frontend, comment("cluster IP"), chain));
    if (!facts_.cluster_cidr.empty())
      own(chain).push_back(
          fmt::format("! -s {} {} {} -j MK-MARK-MASQ", facts_.cluster_cidr, frontend, comment("")));
  }

  // Without endpoints that may serve it, an address from outside is answered in the filter table; but pods
  // and processes of the node reach every endpoint whatever the external policy, so its chain may still be
  // needed.
  void outside(const std::string& frontend, std::string_view what, const std::string& chain) {
    if (!cluster_.empty()) shared(kServices, fmt::format("{} {} -j {}", frontend, comment(what), chain));
    if (leads_nowhere()) shared(kNoExternal, fmt::format("{} {} {}", frontend, nowhere_comment(), nowhere()));
  }
  bool leads_nowhere() const { return cluster_.empty() || (port_.external_local && local_.empty()); }

  void node_port() {
    const std::string port = fmt::format("-p {} {}", port_.protocol, match(port_.node_port));
    if (!cluster_.empty()) shared(kNodePorts, fmt::format("{} {} -j {}", port, comment("node port"), ext_));
    if (leads_nowhere())
      shared(kNoExternal,
             fmt::format("{} -m addrtype --dst-type LOCAL {} {}", port, nowhere_comment(), nowhere()));
  }

  void load_balancer(const std::string& ip) {
    const std::string frontend = to(ip, port_.port);
    if (port_.source_ranges.empty()) return outside(frontend, "load balancer IP", ext_);
    outside(frontend, "load balancer IP", fw_);
    if (cluster_.empty()) return;
    Rules& rules = own(fw_);
    if (rules.empty())
      for (const auto& range : port_.source_ranges)
        rules.push_back(fmt::format("-s {} {} -j {}", range, comment("source range"), ext_));
    // What no range let through still has its address: not the endpoint's, since nothing translated it.
    shared(kNoExternal, fmt::format("{} {} -j DROP", frontend, comment("source not allowed")));
  }

  void external_chain() {
    if (cluster_.empty()) return;
    Rules& rules = own(ext_);
    if (!port_.external_local) {
      rules.push_back(fmt::format("{} -j MK-MARK-MASQ", comment("masquerade external traffic")));
      rules.push_back(fmt::format("-j {}", svc_));
      return;
    }
    if (!facts_.cluster_cidr.empty())
      rules.push_back(
          fmt::format("-s {} {} -j {}", facts_.cluster_cidr, comment("pods reach every endpoint"), svc_));
    rules.push_back(fmt::format("-m addrtype --src-type LOCAL {} -j MK-MARK-MASQ",
                                comment("masquerade the node itself")));
    rules.push_back(fmt::format("-m addrtype --src-type LOCAL {} -j {}",
                                comment("the node reaches every endpoint"), svc_));
    if (!local_.empty()) rules.push_back(fmt::format("-j {}", svl_));
  }

  std::string endpoint_chain(const Endpoint& endpoint) const {
    return "MK-SEP-" + hash_of(port_.name + "/" + port_.protocol + "/" + endpoint.target());
  }

  void balance(const std::string& chain, const std::vector<Endpoint>& endpoints) {
    Rules& rules = own(chain);
    if (port_.affinity_seconds > 0)
      for (const auto& endpoint : endpoints) {
        const std::string sep = endpoint_chain(endpoint);
        rules.push_back(fmt::format("{} -m recent --name {} --rcheck --seconds {} --reap --rsource -j {}",
                                    comment(endpoint.target()), sep, port_.affinity_seconds, sep));
      }
    for (std::size_t i = 0; i < endpoints.size(); ++i) {
      const std::size_t left = endpoints.size() - i;
      std::string chance;
      if (left > 1)
        chance =
            fmt::format(" -m statistic --mode random --probability {:.10f}", 1.0 / static_cast<double>(left));
      rules.push_back(
          fmt::format("{}{} -j {}", comment(endpoints[i].target()), chance, endpoint_chain(endpoints[i])));
    }
  }

  void endpoint_chains() {
    std::vector<Endpoint> all;
    if (uses_cluster()) all = cluster_;
    if (uses_local()) all.insert(all.end(), local_.begin(), local_.end());
    for (const auto& endpoint : all) {
      const std::string sep = endpoint_chain(endpoint);
      Rules& rules = own(sep);
      if (!rules.empty()) continue;
      rules.push_back(fmt::format("-s {}/32 {} -j MK-MARK-MASQ", endpoint.ip, comment("hairpin")));
      const std::string affinity =
          port_.affinity_seconds > 0 ? fmt::format(" -m recent --name {} --set --rsource", sep) : "";
      rules.push_back(fmt::format("-p {} {}{} -m {} -j DNAT --to-destination {}", port_.protocol, comment(""),
                                  affinity, port_.protocol, endpoint.target()));
    }
  }

  const ServicePort& port_;
  const Facts& facts_;
  ServiceRules& out_;
  std::vector<Endpoint> cluster_, local_;
  std::string svc_, svl_, ext_, fw_;
};

}  // namespace

ServiceRules make_rules(const std::vector<ServicePort>& ports, const Facts& facts) {
  ServiceRules out;
  for (const auto& port : ports) PortRules(port, facts, out).make();
  return out;
}

// The node answers under an address of its own, so nothing needs masquerading on the way back.
ServiceRules make_redirect(const Redirect& redirect) {
  ServiceRules out;
  out.shared[kServices].push_back(fmt::format(
      "-d {}/32 -p {} -m {} --dport {} -m comment --comment \"{}\" -j DNAT --to-destination {}:{}",
      redirect.frontend_ip, redirect.protocol, redirect.protocol, redirect.frontend_port, redirect.comment,
      redirect.local_ip, redirect.local_port));
  return out;
}

std::vector<FixedChain> fixed_chains(const Facts& facts) {
  const std::string masquerade = facts.random_fully ? "-j MASQUERADE --random-fully" : "-j MASQUERADE";
  return {
      {kServices,
       {},
       {"-m comment --comment \"node ports; this must be the last rule\" -m addrtype --dst-type LOCAL -j "
        "MK-NODEPORTS"}},
      {kNodePorts, {}, {}},
      {kMarkMasq, {fmt::format("-j MARK --or-mark {}", kMark)}, {}},
      {kPostrouting,
       {fmt::format("-m mark ! --mark {0}/{0} -j RETURN", kMark), fmt::format("-j MARK --xor-mark {}", kMark),
        "-m comment --comment \"service traffic requiring masquerade\" " + masquerade},
       {}},
      {kForward,
       {"-m conntrack --ctstate INVALID -j DROP",
        fmt::format("-m comment --comment \"service traffic\" -m mark --mark {0}/{0} -j ACCEPT", kMark),
        "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"},
       {}},
      // route_localnet opens 127.0.0.0/8 to neighbours on the network; this closes it again.
      {kLoopbackGuard,
       {"! -s 127.0.0.0/8 -d 127.0.0.0/8 -m comment --comment \"loopback is not for others\" -m conntrack ! "
        "--ctstate "
        "RELATED,ESTABLISHED,DNAT -j DROP"},
       {}},
      {kNoCluster, {}, {}},
      {kNoExternal, {}, {}},
  };
}

std::vector<Jump> jumps() {
  const std::string fresh = "-m conntrack --ctstate NEW -m comment --comment \"mk services\" -j ";
  const std::string any = "-m comment --comment \"mk services\" -j ";
  return {
      {Table::kNat, "PREROUTING", any + kServices.name},
      {Table::kNat, "OUTPUT", any + kServices.name},
      {Table::kNat, "POSTROUTING", any + kPostrouting.name},
      {Table::kFilter, "INPUT", fresh + kNoExternal.name},
      {Table::kFilter, "INPUT", any + kLoopbackGuard.name},
      {Table::kFilter, "FORWARD", any + kForward.name},
      {Table::kFilter, "FORWARD", fresh + kNoCluster.name},
      {Table::kFilter, "FORWARD", fresh + kNoExternal.name},
      {Table::kFilter, "OUTPUT", fresh + kNoCluster.name},
      {Table::kFilter, "OUTPUT", fresh + kNoExternal.name},
  };
}

bool is_ours(Table table, const std::string& name) {
  for (const auto& fixed : fixed_chains(Facts{}))
    if (fixed.chain.table == table && fixed.chain.name == name) return true;
  return table == Table::kNat &&
         std::any_of(kOwnPrefixes.begin(), kOwnPrefixes.end(),
                     [&](std::string_view prefix) { return name.starts_with(prefix); });
}

std::string_view table_name(Table table) {
  return table == Table::kNat ? "nat" : "filter";
}

}  // namespace mk::proxy
