#include <fcntl.h>
#include <sched.h>

#include "network/bridge_network.h"
#include "network/ipam.h"
#include "runtime/test_node.h"

using namespace mk;
using namespace mk::kubelet;
using namespace mk::kubelet::testing;
using namespace std::chrono_literals;

namespace {

// A network namespace of the test's own; nothing of it outlives the test.
struct Namespace {
  Namespace() : before(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) {
    REQUIRE(::unshare(CLONE_NEWNET) == 0);
    own = UniqueFd(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    auto netlink = Netlink::open();
    REQUIRE(netlink->set_up(1).ok());
    leave();
  }
  ~Namespace() { leave(); }
  void enter() const {
    REQUIRE(::setns(own.get(), CLONE_NEWNET) == 0);
  }  // threads started from now on are in it, too
  void leave() const { (void)::setns(before.get(), CLONE_NEWNET); }
  UniqueFd before, own;
};

bool skip_without_network() {
  if (skip_without_runtime()) return true;
  const auto iptables = rt::run_process_blocking(rt::Command({"iptables-restore", "--version"}));
  if (iptables.ok() && iptables->success()) return false;
  WARN("SKIPPED: needs iptables");
  return true;
}

PodNetworkConfig config_of(const std::string& pods, const std::string& node) {
  PodNetworkConfig out;
  out.pod_cidr = pods;
  out.cluster_cidr = "10.42.0.0/16";
  out.service_cidr = "10.43.0.0/16";
  out.node_ip = node;
  return out;
}

// A node in its namespace, with its end of the wire to the others.
struct NetNode {
  NetNode(const Namespace& space_, const std::string& pods, const std::string& address) : space(space_) {
    space.enter();
    auto configured = run(loop, network.configure(config_of(pods, address)));
    if (!configured.ok()) FAIL(configured.error().message());
    node.emplace(&network);
  }
  ~NetNode() {
    space.enter();
    node.reset();
    const auto down = run(loop, network.tear_down());
    if (!down.ok()) WARN(down.error().message());
    space.leave();
  }
  std::string serve(const std::string& text) {
    space.enter();
    const auto pod = node->sandbox({});
    node->start(pod.id, node->config("serve", {"/bin/sh", "-c",
                                               "while true; do echo " + text + " | nc -l -p 80; done"}));
    REQUIRE(pod.ips.size() == 1);
    return pod.ips[0];
  }
  std::string fetch(const std::string& address) {
    space.enter();
    const auto pod = node->sandbox({});
    const std::string name = "get" + std::to_string(TestNode::counter()++);
    node->script(pod.id,
                 node->config(name, {"/bin/sh", "-c",
                                     "for i in 1 2 3 4 5 6 7 8; do nc -w 2 " + address +
                                         " 80 </dev/null && exit 0; sleep 0.3; done; ip addr; ip route"}));
    return node->log(name);
  }
  const Namespace& space;
  rt::Loop loop;
  rt::BlockingPool pool{2};
  TempDir dir;
  BridgeNetwork network{pool, dir.path};
  std::optional<TestNode> node;
};

}  // namespace

TEST_CASE("addresses go round and survive a restart") {
  TempDir dir;
  const auto network = *Ipv4Net::parse("10.42.7.0/29");
  Ipam ipam(dir.path + "/ipam.json");
  REQUIRE(ipam.load(network, "boot").ok());
  CHECK(ipam.acquire("a")->str() == "10.42.7.2");
  CHECK(ipam.acquire("b")->str() == "10.42.7.3");
  CHECK(ipam.acquire("a")->str() == "10.42.7.2");
  CHECK(ipam.release("a").ok());
  CHECK(ipam.acquire("c")->str() == "10.42.7.4");  // not the one just freed
  Ipam again(dir.path + "/ipam.json");
  REQUIRE(again.load(network, "boot").ok());
  CHECK(again.acquire("b")->str() == "10.42.7.3");
  CHECK(again.acquire("d")->str() == "10.42.7.5");
  CHECK(again.acquire("e")->str() == "10.42.7.6");
  CHECK(again.acquire("f")->str() == "10.42.7.2");
  CHECK(again.acquire("g").error().is(Reason::kServiceUnavailable));
  Ipam rebooted(dir.path + "/ipam.json");
  REQUIRE(rebooted.load(network, "boot2").ok());
  CHECK(rebooted.acquire("x")->str() == "10.42.7.3");
  CHECK_FALSE(ipam.load(*Ipv4Net::parse("10.0.0.0/30"), "b").ok());
  CHECK_FALSE(Ipv4Net::parse("10.0.0.0").ok());
  CHECK_FALSE(Ipv4Net::parse("10.0.0/8").ok());
}

TEST_CASE("host ports lead to pods, by address where one is given") {
  const std::vector<HostPort> ports = {{{"tcp", "", 8080, 80}, "10.42.0.7"},
                                       {{"udp", "192.0.2.1", 53, 5353}, "10.42.0.8"},
                                       {{"tcp", "$(x)", 1, 1}, "10.42.0.9"},
                                       {{"icmp", "", 1, 1}, "10.42.0.9"},
                                       {{"tcp", "", 0, 1}, "10.42.0.9"}};
  const std::string rules = host_port_rules(ports);
  CHECK(rules.find("-A MK-HOSTPORTS -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.42.0.7:80\n") !=
        std::string::npos);
  CHECK(rules.find("-A MK-HOSTPORTS -d 192.0.2.1/32 -p udp -m udp --dport 53 -j DNAT --to-destination "
                   "10.42.0.8:5353\n") != std::string::npos);
  CHECK(rules.find("-s 127.0.0.0/8 -d 10.42.0.7/32 -p tcp -m tcp --dport 80 -j MASQUERADE\n") !=
        std::string::npos);
  CHECK(rules.find("10.42.0.9") == std::string::npos);
}

TEST_CASE("UDP flows are forgotten that go to a pod without the port, or still to nobody") {
  const std::vector<HostPort> none,
      old{{{"udp", "", 53, 5353}, "10.42.0.8"}, {{"tcp", "", 80, 80}, "10.42.0.8"}},
      now{{{"udp", "", 53, 5353}, "10.42.0.9"}};
  const auto stale = [](const char* to, int port, const char* from, const auto& before, const auto& after) {
    net::Flow flow;
    flow.to_ip = to;
    flow.to_port = port;
    flow.from_ip = from;
    return is_stale(flow, before, after, "192.0.2.1");
  };
  CHECK(stale("192.0.2.1", 53, "10.42.0.8", old, none));       // the pod is gone
  CHECK(stale("192.0.2.1", 53, "10.42.0.8", old, now));        // another one has the port
  CHECK_FALSE(stale("192.0.2.1", 53, "10.42.0.9", old, now));  // as it should be
  CHECK(stale("192.0.2.1", 53, "192.0.2.1", none, now));       // nobody had it
  CHECK(stale("192.0.2.1", 53, "10.42.0.8", none, now));       // mk was restarted in between
  CHECK_FALSE(stale("192.0.2.1", 54, "192.0.2.1", none, now));
  CHECK_FALSE(stale("8.8.8.8", 53, "8.8.8.8", none, now));  // a pod asks the world
  CHECK_FALSE(stale("192.0.2.1", 80, "10.42.0.8", old, now));
  CHECK_FALSE(has_udp(none));
  CHECK(has_udp(old));
}

TEST_CASE("pods reach each other, on one node and over the VXLAN", "[root]") {
  if (skip_without_network()) return;
  const Namespace one, two;
  one.enter();
  auto netlink = Netlink::open();
  REQUIRE(netlink->add_veth("wan0", "wan0", two.own.get(), 1500).ok());
  for (const auto& [space, address] :
       {std::pair(&one, "192.168.77.1/24"), std::pair(&two, "192.168.77.2/24")}) {
    space->enter();
    auto inner = Netlink::open();
    const auto wan = inner->link("wan0");
    REQUIRE(wan);
    REQUIRE(inner->add_address(wan->index, *Ipv4Net::parse(address)).ok());
    REQUIRE(inner->set_up(wan->index).ok());
  }
  NetNode first(one, "10.42.1.0/24", "192.168.77.1"), second(two, "10.42.2.0/24", "192.168.77.2");
  const PeerNode first_peer{"one", "192.168.77.1", "10.42.1.0/24", first.network.vtep_mac()};
  const PeerNode second_peer{"two", "192.168.77.2", "10.42.2.0/24", second.network.vtep_mac()};
  one.enter();
  REQUIRE(run(first.loop, first.network.set_peers(
                              {second_peer, {"gone", "192.168.77.3", "10.42.3.0/24", "0a:00:00:00:00:01"}}))
              .ok());
  REQUIRE(run(first.loop, first.network.set_peers({second_peer})).ok());
  REQUIRE(run(first.loop, first.network.configure(config_of("10.42.1.0/24", "192.168.77.1"))).ok());  // again
  const auto routes = rt::run_process_blocking(rt::Command({"ip", "route"}));
  CHECK(routes->out.find("10.42.2.0/24") != std::string::npos);
  CHECK(routes->out.find("10.42.3.0/24") == std::string::npos);
  CHECK(routes->out.find("10.43.0.0/16 dev mk0") != std::string::npos);
  two.enter();
  REQUIRE(run(second.loop, second.network.set_peers({first_peer})).ok());

  const auto near = first.serve("near"), far = second.serve("far");
  CHECK(near == "10.42.1.2");
  CHECK(first.fetch(near) == "stdout F near\n");
  CHECK(first.fetch(far) == "stdout F far\n");
  one.enter();
  CHECK(run(first.loop, first.network.tear_down()).ok());
  const auto links = rt::run_process_blocking(rt::Command({"ip", "link"}));
  CHECK(links->out.find("mk0") == std::string::npos);
  CHECK(links->out.find("mkvx") == std::string::npos);
  const auto rules = rt::run_process_blocking(rt::Command({"iptables-save"}));
  CHECK(rules->out.find("MK-") == std::string::npos);
  one.leave();
}
