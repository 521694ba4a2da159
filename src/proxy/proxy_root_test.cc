#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <set>

#include "mk/client/fake_client.h"
#include "mk/proxy/proxy.h"
#include "network_test_kit.h"

using namespace mk;
using namespace mk::proxy;
using namespace mk::proxy::testing;

// Real rules and real packets: a node at 192.168.77.1 with pods 10.42.0.11 and .12 on a bridge, another
// machine at 192.168.77.9.
namespace {

const api::Gvr kServices{"", "v1", "services"};
const api::Gvr kSlices{"discovery.k8s.io", "v1", "endpointslices"};

bool skipped() {
  if (geteuid() == 0 && can_make_namespaces()) return false;
  std::fprintf(stderr, "\n*** SKIPPED: proxy [root] test: needs root to make network namespaces ***\n\n");
  return true;
}

struct Node {
  NodeScope scope;
  Namespace pod1, pod2, outside;
  rt::Loop loop;
  std::unique_ptr<rt::Clock> clock = rt::make_real_clock();
  std::unique_ptr<rt::Random> random = rt::make_random(1);
  rt::BlockingPool pool{2};
  client::FakeClient client{*clock};
  std::unique_ptr<Proxy> proxy;
  Server one{&pod1, "one", 8080}, two{&pod2, "two", 8080};

  Node() {
    sh("ip link set lo up; ip link add cbr0 type bridge; ip addr add 10.42.0.1/24 dev cbr0; ip link set cbr0 "
       "up;"
       "echo 1 > /proc/sys/net/ipv4/ip_forward; echo 0 > /proc/sys/net/ipv4/conf/all/send_redirects;"
       "echo 0 > /proc/sys/net/ipv4/conf/cbr0/send_redirects");
    connect(pod1, "pod1", "master cbr0", "10.42.0.11/24", "10.42.0.1");
    connect(pod2, "pod2", "master cbr0", "10.42.0.12/24", "10.42.0.1");
    connect(outside, "out", "", "192.168.77.9/24", "192.168.77.1");
    sh("ip addr add 192.168.77.1/24 dev out; ip route add default via 192.168.77.9; bridge link set dev pod1 "
       "hairpin on;"
       "bridge link set dev pod2 hairpin on");
  }

  void connect(const Namespace& peer, const std::string& device, const std::string& master,
               const std::string& address, const std::string& gateway) {
    sh("ip link add " + device + " type veth peer name eth0 netns " + peer.path() + "; ip link set " +
       device + " up " + master);
    peer.sh("ip link set lo up; ip link set eth0 up; ip addr add " + address +
            " dev eth0; ip route add default via " + gateway);
  }

  void make(std::vector<LocalRedirect> redirects = {}, rt::Clock* other_clock = nullptr) {
    ProxyOptions options;
    options.node_name = "n1";
    options.cluster_cidr = "10.42.0.0/16";
    options.local_redirects = std::move(redirects);
    proxy = make_proxy(loop, other_clock ? *other_clock : *clock, *random, pool, client, options);
  }

  void put(const api::Gvr& resource, const std::string& yaml) {
    client.put(resource, api::parse_yaml(yaml).value());
  }
  void service(const std::string& name, const std::string& spec) {
    put(kServices,
        "{apiVersion: v1, kind: Service, metadata: {namespace: ns, name: " + name + "}, spec: " + spec + "}");
  }
  void endpoints(const std::string& name, const std::string& list, const std::string& protocol = "TCP") {
    put(kSlices, "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {namespace: ns, name: " +
                     name + "-1, labels: {kubernetes.io/service-name: " + name +
                     "}}, addressType: IPv4, ports: [{name: '', port: 8080,"
                     " protocol: " +
                     protocol + "}], endpoints: [" + list + "]}");
  }

  // Until `work` gives what is expected; the last answer.
  rt::Task<std::string> soon(std::function<std::string()> work, std::string expected) {
    std::string got;
    for (int i = 0; i < 60; ++i) {
      got = work();
      if (got == expected) break;
      co_await clock->sleep_for(std::chrono::milliseconds(25));
    }
    co_return got;
  }
};

const std::string kOne = "{addresses: [10.42.0.11], nodeName: n1}",
                  kTwo = "{addresses: [10.42.0.12], nodeName: n1}",
                  kAway = "{addresses: [10.42.0.12], nodeName: n2}";

std::string first_word(const std::string& text) {
  return text.substr(0, text.find(' '));
}

std::set<std::string> many(const std::function<std::string()>& call) {
  std::set<std::string> answers;
  for (int i = 0; i < 24; ++i) answers.insert(first_word(call()));
  return answers;
}

std::string saved() {
  return output_of("iptables-save");
}

}  // namespace

TEST_CASE("cluster IP, node port, refusal, hairpin; then nothing is left", "[proxy][root]") {
  if (skipped()) return;
  Node node;
  node.service("web",
               "{type: NodePort, clusterIP: 10.43.0.7, externalIPs: [192.168.88.8], ports: [{port: 80, "
               "nodePort: 30080, protocol: TCP}]}");
  node.endpoints("web", kOne + "," + kTwo);
  node.service("empty",
               "{type: NodePort, clusterIP: 10.43.0.8, ports: [{port: 80, nodePort: 30081, protocol: TCP}]}");
  node.make();
  auto body = [&]() -> rt::Task<> {
    const auto started = co_await node.proxy->start();
    INFO((started.ok() ? "" : started.error().message()));
    REQUIRE(started.ok());
    const std::set<std::string> both{"one", "two"};
    CHECK(many([] { return call_tcp("10.43.0.7", 80); }) == both);
    CHECK(many([] { return call_tcp("192.168.77.1", 30080); }) == both);
    CHECK(many([] { return call_tcp("127.0.0.1", 30080); }) == both);
    CHECK(many([&] { return in(node.outside, [] { return call_tcp("192.168.77.1", 30080); }); }) == both);
    CHECK(many([&] { return in(node.outside, [] { return call_tcp("192.168.88.8", 80); }); }) == both);
    CHECK(many([&] { return in(node.pod1, [] { return call_tcp("10.43.0.7", 80); }); }) ==
          both);  // itself too
    CHECK(many([&] { return in(node.pod1, [] { return call_tcp("192.168.77.1", 30080); }); }) == both);
    const auto direct = in(node.pod2, [] { return call_tcp("10.43.0.7", 80); });
    CHECK((direct == "one 10.42.0.12" || first_word(direct) == "two"));  // pods are not masqueraded
    CHECK(call_tcp("10.43.0.8", 80) == "refused");
    CHECK(in(node.pod1, [] { return call_tcp("10.43.0.8", 80); }) == "refused");
    CHECK(in(node.outside, [] { return call_tcp("192.168.77.1", 30081); }) == "refused");

    node.endpoints("empty", kTwo);
    CHECK(co_await node.soon([] { return first_word(call_tcp("10.43.0.8", 80)); }, "two") == "two");
    node.endpoints("web", kOne);
    CHECK(co_await node.soon(
              [] {
                return saved().find("10.42.0.12:8080\" -m statistic") == std::string::npos ? "gone" : "there";
              },
              "gone") == "gone");
    CHECK(co_await node.soon(
              [] { return many([] { return call_tcp("10.43.0.7", 80); }).size() == 1 ? "one" : "more"; },
              "one") == "one");
    node.client.erase(kServices, api::Key("ns", "web"));
    CHECK(co_await node.soon([] { return saved().find("ns/web") == std::string::npos ? "gone" : "there"; },
                             "gone") == "gone");

    co_await node.proxy->stop();
    CHECK(first_word(call_tcp("10.43.0.8", 80)) == "two");  // rules stay
    REQUIRE((co_await node.proxy->tear_down()).ok());
    CHECK(saved().find("MK-") == std::string::npos);
    REQUIRE((co_await node.proxy->tear_down()).ok());
  };
  rt::run_until_done(node.loop, body());
}

TEST_CASE("affinity keeps a client with its endpoint and can be switched off", "[proxy][root]") {
  if (skipped()) return;
  Node node;
  const std::string ports = "clusterIP: 10.43.0.7, ports: [{port: 80, nodePort: 30080, protocol: TCP}], ";
  node.service("web", "{type: NodePort, " + ports + "sessionAffinity: ClientIP}");
  node.endpoints("web", kOne + "," + kTwo);
  node.make();
  auto body = [&]() -> rt::Task<> {
    REQUIRE((co_await node.proxy->start()).ok());
    CHECK(many([&] { return in(node.pod1, [] { return call_tcp("10.43.0.7", 80); }); }).size() == 1);
    CHECK(many([&] { return in(node.outside, [] { return call_tcp("192.168.77.1", 30080); }); }).size() == 1);
    const auto spread = [&] {
      return many([&] { return in(node.outside, [] { return call_tcp("192.168.77.1", 30080); }); }).size() ==
                     2
                 ? "both"
                 : "one";
    };
    node.service("web", "{type: NodePort, " + ports + "sessionAffinity: None}");
    CHECK(co_await node.soon(spread, "both") == "both");
    node.service("web", "{type: NodePort, " + ports + "sessionAffinity: ClientIP}");
    CHECK(co_await node.soon(spread, "one") == "one");
    co_await node.proxy->stop();
    REQUIRE((co_await node.proxy->tear_down()).ok());
    CHECK(saved().find("MK-") == std::string::npos);
  };
  rt::run_until_done(node.loop, body());
}

TEST_CASE("traffic policies, source ranges, and a local redirect", "[proxy][root]") {
  if (skipped()) return;
  Node node;
  node.service("local",
               "{type: NodePort, externalTrafficPolicy: Local, clusterIP: 10.43.0.7, ports: [{port: 80, "
               "nodePort: 30080}]}");
  node.endpoints("local", kOne + "," + kAway);
  node.service("away",
               "{type: NodePort, externalTrafficPolicy: Local, internalTrafficPolicy: Local, clusterIP: "
               "10.43.0.8, ports: [{port: 80, nodePort: 30081}]}");
  node.endpoints("away", kAway);
  node.put(kServices,
           "{apiVersion: v1, kind: Service, metadata: {namespace: ns, name: lb}, spec: {type: LoadBalancer, "
           "clusterIP: 10.43.0.9,"
           " loadBalancerSourceRanges: [10.42.0.0/16], ports: [{port: 80, nodePort: 30082}]},"
           " status: {loadBalancer: {ingress: [{ip: 192.168.77.100}]}}}");
  node.endpoints("lb", kOne);
  LocalRedirect redirect;
  redirect.cluster_ip = "10.43.0.10", redirect.port = 53, redirect.local_address = "10.42.0.1",
  redirect.local_port = 5353;
  redirect.protocol = "UDP";
  LocalRedirect tcp = redirect;
  tcp.protocol = "TCP";
  node.make({redirect, tcp});
  const Server dns(nullptr, "dns", 5353, "10.42.0.1");
  auto body = [&]() -> rt::Task<> {
    REQUIRE((co_await node.proxy->start()).ok());
    // The client's address stays, and only the local endpoint answers.
    CHECK(many([&] { return in(node.outside, [] { return call_tcp("192.168.77.1", 30080); }); }) ==
          std::set<std::string>{"one"});
    CHECK(in(node.outside, [] { return call_tcp("192.168.77.1", 30080); }) == "one 192.168.77.9");
    CHECK(many([] { return call_tcp("10.43.0.7", 80); }).size() == 2);
    CHECK(many([] { return call_tcp("192.168.77.1", 30080); }).size() == 2);
    CHECK(in(node.outside, [] { return call_tcp("192.168.77.1", 30081); }) == "timeout");
    CHECK(call_tcp("10.43.0.8", 80) == "timeout");
    CHECK(first_word(in(node.pod2, [] { return call_tcp("192.168.77.100", 80); })) == "one");
    node.outside.sh("ip route add 192.168.77.100 via 192.168.77.1");
    CHECK(in(node.outside, [] { return call_tcp("192.168.77.100", 80); }) == "timeout");

    CHECK(in(node.pod1, [] { return UdpClient().call("10.43.0.10", 53); }) == "dns 10.42.0.11");
    CHECK(in(node.pod1, [] { return call_tcp("10.43.0.10", 53); }) == "dns 10.42.0.11");
    CHECK(first_word(UdpClient().call("10.43.0.10", 53)) == "dns");
    CHECK(first_word(call_tcp("10.43.0.10", 53)) == "dns");
    co_await node.proxy->stop();
    REQUIRE((co_await node.proxy->tear_down()).ok());
  };
  rt::run_until_done(node.loop, body());
}

TEST_CASE("a UDP client follows its Service to another endpoint", "[proxy][root]") {
  if (skipped()) return;
  Node node;
  node.service("web",
               "{type: NodePort, clusterIP: 10.43.0.7, ports: [{port: 80, nodePort: 30080, protocol: UDP}]}");
  node.endpoints("web", kOne, "UDP");
  node.make();
  auto body = [&]() -> rt::Task<> {
    REQUIRE((co_await node.proxy->start()).ok());
    std::unique_ptr<UdpClient> inside, outside;
    node.pod2.run([&] { inside = std::make_unique<UdpClient>(); });
    node.outside.run([&] { outside = std::make_unique<UdpClient>(); });
    CHECK(first_word(inside->call("10.43.0.7", 80)) == "one");
    CHECK(first_word(outside->call("192.168.77.1", 30080)) == "one");
    node.endpoints("web", kTwo, "UDP");
    CHECK(co_await node.soon([&] { return first_word(inside->call("10.43.0.7", 80)); }, "two") == "two");
    CHECK(co_await node.soon([&] { return first_word(outside->call("192.168.77.1", 30080)); }, "two") ==
          "two");
    node.client.erase(kServices, api::Key("ns", "web"));
    CHECK(co_await node.soon(
              [&] { return inside->call("10.43.0.7", 80) == "two 10.42.0.12" ? "two" : "none"; }, "none") ==
          "none");
    co_await node.proxy->stop();
    REQUIRE((co_await node.proxy->tear_down()).ok());
    CHECK(saved().find("MK-") == std::string::npos);
  };
  rt::run_until_done(node.loop, body());
}

TEST_CASE("rules that another program flushed come back within a minute, and survive a restart",
          "[proxy][root]") {
  if (skipped()) return;
  rt::ManualClock minutes;
  Node node;
  node.service("web", "{clusterIP: 10.43.0.9, ports: [{port: 80}]}");
  node.service("sctp", "{clusterIP: 10.43.0.10, ports: [{port: 80, protocol: SCTP}]}");
  node.endpoints("web", kOne);
  node.make({}, &minutes);
  const std::string count_rules = "iptables-save | grep -c -- '^-A'";
  auto body = [&]() -> rt::Task<> {
    REQUIRE((co_await node.proxy->start()).ok());
    sh("iptables -w -t nat -F; iptables -w -F");
    CHECK(first_word(call_tcp("10.43.0.9", 80)) != "one");
    const auto a_minute_later = [&] {
      minutes.advance(std::chrono::seconds(61));
      return first_word(call_tcp("10.43.0.9", 80));
    };
    CHECK(co_await node.soon(a_minute_later, "one") == "one");
    co_await node.proxy->stop();

    const auto before = output_of(count_rules);
    sh("iptables -w -t nat -N MK-SVC-OLDCHAIN; iptables -w -t nat -N OTHERS");
    node.make();
    REQUIRE((co_await node.proxy->start()).ok());
    co_await node.proxy->stop();
    CHECK(saved().find("MK-SVC-OLDCHAIN") == std::string::npos);
    CHECK(saved().find("OTHERS") != std::string::npos);
    CHECK(output_of(count_rules) == before);  // no jump twice
    REQUIRE((co_await node.proxy->tear_down()).ok());
    CHECK(saved().find("MK-") == std::string::npos);
  };
  rt::run_until_done(node.loop, body());
}
