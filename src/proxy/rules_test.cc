#include "rules.h"

#include <catch2/catch.hpp>

#include "conntrack.h"
#include "iptables.h"
#include "rule_book.h"

using namespace mk;
using namespace mk::proxy;

namespace {

api::Object object(const std::string& yaml) {
  return api::Object(api::parse_yaml(yaml).value());
}

api::Object service(const std::string& name, const std::string& spec, const std::string& status = "{}") {
  return object("{metadata: {namespace: ns, name: " + name + "}, spec: " + spec + ", status: " + status +
                "}");
}

api::Object slice(const std::string& endpoints,
                  const std::string& port = "{name: '', port: 8080, protocol: TCP}") {
  return object("{metadata: {namespace: ns, name: s}, addressType: IPv4, ports: [" + port +
                "], endpoints: [" + endpoints + "]}");
}

Facts facts() {
  Facts out;
  out.cluster_cidr = "10.42.0.0/16";
  return out;
}

std::vector<ServicePort> read(const api::Object& object, const std::vector<api::Object>& slices) {
  return read_service(object, slices, "n1");
}

// The chains of one Service as restore text, hashes cut to their first two letters.
std::string text_of(const ServiceRules& rules) {
  std::string out;
  auto add = [&](const std::map<Chain, Rules>& chains) {
    for (const auto& [chain, lines] : chains)
      for (const auto& line : lines)
        out += std::string(table_name(chain.table)) + " -A " + chain.name + " " + line + "\n";
  };
  add(rules.shared);
  add(rules.own);
  for (const auto* prefix : {"MK-SVC-", "MK-SVL-", "MK-EXT-", "MK-FW-", "MK-SEP-"})
    for (auto at = out.find(prefix); at != std::string::npos; at = out.find(prefix, at + 1))
      out.erase(at + std::string_view(prefix).size() + 2, 11);
  return out;
}

std::string rules_of(const api::Object& object, const std::vector<api::Object>& slices) {
  return text_of(make_rules(read(object, slices), facts()));
}

const std::string kOne = "{addresses: [10.42.0.11], nodeName: n1}",
                  kTwo = "{addresses: [10.42.1.12], nodeName: n2}";

}  // namespace

TEST_CASE("rules: a node port Service with two endpoints", "[proxy]") {
  CHECK(
      rules_of(service("web", "{type: NodePort, clusterIP: 10.43.0.7, ports: [{port: 80, nodePort: 30080}]}"),
               {slice(kOne + "," + kTwo)}) ==
      R"(nat -A MK-NODEPORTS -p tcp -m tcp --dport 30080 -m comment --comment "ns/web node port" -j MK-EXT-DR
nat -A MK-SERVICES -d 10.43.0.7/32 -p tcp -m tcp --dport 80 -m comment --comment "ns/web cluster IP" -j MK-SVC-DR
nat -A MK-EXT-DR -m comment --comment "ns/web masquerade external traffic" -j MK-MARK-MASQ
nat -A MK-EXT-DR -j MK-SVC-DR
nat -A MK-SEP-C2 -s 10.42.1.12/32 -m comment --comment "ns/web hairpin" -j MK-MARK-MASQ
nat -A MK-SEP-C2 -p tcp -m comment --comment "ns/web" -m tcp -j DNAT --to-destination 10.42.1.12:8080
nat -A MK-SEP-UE -s 10.42.0.11/32 -m comment --comment "ns/web hairpin" -j MK-MARK-MASQ
nat -A MK-SEP-UE -p tcp -m comment --comment "ns/web" -m tcp -j DNAT --to-destination 10.42.0.11:8080
nat -A MK-SVC-DR ! -s 10.42.0.0/16 -d 10.43.0.7/32 -p tcp -m tcp --dport 80 -m comment --comment "ns/web" -j MK-MARK-MASQ
nat -A MK-SVC-DR -m comment --comment "ns/web 10.42.0.11:8080" -m statistic --mode random --probability 0.5000000000 -j MK-SEP-UE
nat -A MK-SVC-DR -m comment --comment "ns/web 10.42.1.12:8080" -j MK-SEP-C2
)");
}

TEST_CASE("rules: session affinity", "[proxy]") {
  CHECK(
      rules_of(service("web", "{clusterIP: 10.43.0.7, sessionAffinity: ClientIP, ports: [{port: 80}]}"),
               {slice(kOne + "," + kTwo)}) ==
      R"(nat -A MK-SERVICES -d 10.43.0.7/32 -p tcp -m tcp --dport 80 -m comment --comment "ns/web cluster IP" -j MK-SVC-DR
nat -A MK-SEP-C2 -s 10.42.1.12/32 -m comment --comment "ns/web hairpin" -j MK-MARK-MASQ
nat -A MK-SEP-C2 -p tcp -m comment --comment "ns/web" -m recent --name MK-SEP-C2 --set --rsource -m tcp -j DNAT --to-destination 10.42.1.12:8080
nat -A MK-SEP-UE -s 10.42.0.11/32 -m comment --comment "ns/web hairpin" -j MK-MARK-MASQ
nat -A MK-SEP-UE -p tcp -m comment --comment "ns/web" -m recent --name MK-SEP-UE --set --rsource -m tcp -j DNAT --to-destination 10.42.0.11:8080
nat -A MK-SVC-DR ! -s 10.42.0.0/16 -d 10.43.0.7/32 -p tcp -m tcp --dport 80 -m comment --comment "ns/web" -j MK-MARK-MASQ
nat -A MK-SVC-DR -m comment --comment "ns/web 10.42.0.11:8080" -m recent --name MK-SEP-UE --rcheck --seconds 10800 --reap --rsource -j MK-SEP-UE
nat -A MK-SVC-DR -m comment --comment "ns/web 10.42.1.12:8080" -m recent --name MK-SEP-C2 --rcheck --seconds 10800 --reap --rsource -j MK-SEP-C2
nat -A MK-SVC-DR -m comment --comment "ns/web 10.42.0.11:8080" -m statistic --mode random --probability 0.5000000000 -j MK-SEP-UE
nat -A MK-SVC-DR -m comment --comment "ns/web 10.42.1.12:8080" -j MK-SEP-C2
)");
}

TEST_CASE("rules: a Service without endpoints is refused wherever it is asked", "[proxy]") {
  CHECK(
      rules_of(service("web",
                       "{clusterIP: 10.43.0.7, type: NodePort, externalIPs: [192.0.2.1],"
                       " ports: [{port: 80, nodePort: 30080}]}"),
               {}) ==
      R"(filter -A MK-EXTERNAL -d 192.0.2.1/32 -p tcp -m tcp --dport 80 -m comment --comment "ns/web has no endpoints" -j REJECT
filter -A MK-EXTERNAL -p tcp -m tcp --dport 30080 -m addrtype --dst-type LOCAL -m comment --comment "ns/web has no endpoints" -j REJECT
filter -A MK-SERVICES -d 10.43.0.7/32 -p tcp -m tcp --dport 80 -m comment --comment "ns/web has no endpoints" -j REJECT
)");
}

TEST_CASE("rules: a load balancer with local policies and source ranges", "[proxy]") {
  CHECK(
      rules_of(service("web",
                       "{type: LoadBalancer, externalTrafficPolicy: Local, internalTrafficPolicy: Local,"
                       " clusterIP: 10.43.0.7, loadBalancerSourceRanges: [192.0.2.0/24],"
                       " ports: [{port: 80, nodePort: 30080}]}",
                       "{loadBalancer: {ingress: [{ip: 192.0.2.9}]}}"),
               {slice(kOne + "," + kTwo)}) ==
      R"(nat -A MK-NODEPORTS -p tcp -m tcp --dport 30080 -m comment --comment "ns/web node port" -j MK-EXT-DR
nat -A MK-SERVICES -d 10.43.0.7/32 -p tcp -m tcp --dport 80 -m comment --comment "ns/web cluster IP" -j MK-SVL-DR
nat -A MK-SERVICES -d 192.0.2.9/32 -p tcp -m tcp --dport 80 -m comment --comment "ns/web load balancer IP" -j MK-FW-DR
filter -A MK-EXTERNAL -d 192.0.2.9/32 -p tcp -m tcp --dport 80 -m comment --comment "ns/web source not allowed" -j DROP
nat -A MK-EXT-DR -s 10.42.0.0/16 -m comment --comment "ns/web pods reach every endpoint" -j MK-SVC-DR
nat -A MK-EXT-DR -m addrtype --src-type LOCAL -m comment --comment "ns/web masquerade the node itself" -j MK-MARK-MASQ
nat -A MK-EXT-DR -m addrtype --src-type LOCAL -m comment --comment "ns/web the node reaches every endpoint" -j MK-SVC-DR
nat -A MK-EXT-DR -j MK-SVL-DR
nat -A MK-FW-DR -s 192.0.2.0/24 -m comment --comment "ns/web source range" -j MK-EXT-DR
nat -A MK-SEP-C2 -s 10.42.1.12/32 -m comment --comment "ns/web hairpin" -j MK-MARK-MASQ
nat -A MK-SEP-C2 -p tcp -m comment --comment "ns/web" -m tcp -j DNAT --to-destination 10.42.1.12:8080
nat -A MK-SEP-UE -s 10.42.0.11/32 -m comment --comment "ns/web hairpin" -j MK-MARK-MASQ
nat -A MK-SEP-UE -p tcp -m comment --comment "ns/web" -m tcp -j DNAT --to-destination 10.42.0.11:8080
nat -A MK-SVC-DR -m comment --comment "ns/web 10.42.0.11:8080" -m statistic --mode random --probability 0.5000000000 -j MK-SEP-UE
nat -A MK-SVC-DR -m comment --comment "ns/web 10.42.1.12:8080" -j MK-SEP-C2
nat -A MK-SVL-DR ! -s 10.42.0.0/16 -d 10.43.0.7/32 -p tcp -m tcp --dport 80 -m comment --comment "ns/web" -j MK-MARK-MASQ
nat -A MK-SVL-DR -m comment --comment "ns/web 10.42.0.11:8080" -j MK-SEP-UE
)");
}

TEST_CASE("rules: local policies with endpoints on other nodes only", "[proxy]") {
  CHECK(
      rules_of(service("web",
                       "{type: NodePort, externalTrafficPolicy: Local, internalTrafficPolicy: Local,"
                       " clusterIP: 10.43.0.7, ports: [{port: 80, nodePort: 30080}]}"),
               {slice(kTwo)}) ==
      R"(nat -A MK-NODEPORTS -p tcp -m tcp --dport 30080 -m comment --comment "ns/web node port" -j MK-EXT-DR
filter -A MK-EXTERNAL -p tcp -m tcp --dport 30080 -m addrtype --dst-type LOCAL -m comment --comment "ns/web has no local endpoints" -j DROP
filter -A MK-SERVICES -d 10.43.0.7/32 -p tcp -m tcp --dport 80 -m comment --comment "ns/web has no local endpoints" -j DROP
nat -A MK-EXT-DR -s 10.42.0.0/16 -m comment --comment "ns/web pods reach every endpoint" -j MK-SVC-DR
nat -A MK-EXT-DR -m addrtype --src-type LOCAL -m comment --comment "ns/web masquerade the node itself" -j MK-MARK-MASQ
nat -A MK-EXT-DR -m addrtype --src-type LOCAL -m comment --comment "ns/web the node reaches every endpoint" -j MK-SVC-DR
nat -A MK-SEP-C2 -s 10.42.1.12/32 -m comment --comment "ns/web hairpin" -j MK-MARK-MASQ
nat -A MK-SEP-C2 -p tcp -m comment --comment "ns/web" -m tcp -j DNAT --to-destination 10.42.1.12:8080
nat -A MK-SVC-DR -m comment --comment "ns/web 10.42.1.12:8080" -j MK-SEP-C2
)");
}

TEST_CASE("the chains that are always there", "[proxy]") {
  RuleBook book(facts());
  CHECK(book.everything(Present{}) == R"(*nat
:MK-MARK-MASQ - [0:0]
:MK-NODEPORTS - [0:0]
:MK-POSTROUTING-PROXY - [0:0]
:MK-SERVICES - [0:0]
-A MK-MARK-MASQ -j MARK --or-mark 0x4000
-A MK-POSTROUTING-PROXY -m mark ! --mark 0x4000/0x4000 -j RETURN
-A MK-POSTROUTING-PROXY -j MARK --xor-mark 0x4000
-A MK-POSTROUTING-PROXY -m comment --comment "service traffic requiring masquerade" -j MASQUERADE --random-fully
-A MK-SERVICES -m comment --comment "node ports; this must be the last rule" -m addrtype --dst-type LOCAL -j MK-NODEPORTS
-I PREROUTING 1 -m comment --comment "mk services" -j MK-SERVICES
-I OUTPUT 1 -m comment --comment "mk services" -j MK-SERVICES
-I POSTROUTING 1 -m comment --comment "mk services" -j MK-POSTROUTING-PROXY
COMMIT
*filter
:MK-EXTERNAL - [0:0]
:MK-FORWARD-PROXY - [0:0]
:MK-LOOPBACK-PROXY - [0:0]
:MK-SERVICES - [0:0]
-A MK-FORWARD-PROXY -m conntrack --ctstate INVALID -j DROP
-A MK-FORWARD-PROXY -m comment --comment "service traffic" -m mark --mark 0x4000/0x4000 -j ACCEPT
-A MK-FORWARD-PROXY -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A MK-LOOPBACK-PROXY ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m comment --comment "loopback is not for others" -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP
-I INPUT 1 -m conntrack --ctstate NEW -m comment --comment "mk services" -j MK-EXTERNAL
-I INPUT 1 -m comment --comment "mk services" -j MK-LOOPBACK-PROXY
-I FORWARD 1 -m comment --comment "mk services" -j MK-FORWARD-PROXY
-I FORWARD 1 -m conntrack --ctstate NEW -m comment --comment "mk services" -j MK-SERVICES
-I FORWARD 1 -m conntrack --ctstate NEW -m comment --comment "mk services" -j MK-EXTERNAL
-I OUTPUT 1 -m conntrack --ctstate NEW -m comment --comment "mk services" -j MK-SERVICES
-I OUTPUT 1 -m conntrack --ctstate NEW -m comment --comment "mk services" -j MK-EXTERNAL
COMMIT
)");
}

TEST_CASE("no rules for what is no address", "[proxy]") {
  CHECK(rules_of(service("web", "{clusterIP: None, ports: [{port: 80}]}"), {slice(kOne)}).empty());
  CHECK(
      rules_of(service("web", "{type: ExternalName, externalName: a.b, ports: [{port: 80}]}"), {slice(kOne)})
          .empty());
  CHECK(rules_of(service("web", "{clusterIP: 'fd00::1', ports: [{port: 80}]}"), {slice(kOne)}).empty());
  CHECK(rules_of(service("web", "{ports: [{port: 80}]}"), {slice(kOne)}).empty());
  CHECK(rules_of(service("web", "{clusterIP: 10.43.0.7, ports: [{port: 0}, {port: 80, protocol: X}]}"),
                 {slice(kOne)})
            .empty());
  const auto odd = rules_of(
      service("web", "{clusterIP: 10.43.0.7, externalIPs: ['1.2.3.4\n-A INPUT', 7], ports: [{port: 80}]}"),
      {slice(kOne)});
  CHECK(odd.find("INPUT") == std::string::npos);
  CHECK(rules_of(service("a b", "{clusterIP: 10.43.0.7, ports: [{port: 80}]}"), {slice(kOne)}).empty());
}

TEST_CASE("which endpoints serve", "[proxy]") {
  const auto targets = [](const std::string& endpoints, bool local) {
    const auto ports =
        read(service("web", "{clusterIP: 10.43.0.7, ports: [{port: 80}]}"), {slice(endpoints)});
    std::string out;
    for (const auto& endpoint : usable(ports.at(0).endpoints, local)) out += endpoint.ip + " ";
    return out;
  };
  const std::string leaving =
      "{addresses: [10.42.0.13], nodeName: n1, conditions: {ready: false, serving: true, terminating: true}}";
  const std::string broken =
      "{addresses: [10.42.0.14], nodeName: n1, conditions: {ready: false, serving: false}}";
  CHECK(targets(kOne + "," + leaving + "," + broken, false) == "10.42.0.11 ");
  CHECK(targets(leaving + "," + broken, false) == "10.42.0.13 ");
  CHECK(targets(broken, false).empty());
  CHECK(targets(kTwo + "," + leaving, true) == "10.42.0.13 ");
  CHECK(targets(kTwo, true).empty());
  const std::string here = "{addresses: [10.42.0.15], hints: {forNodes: [{name: n1}]}}",
                    there = "{addresses: [10.42.0.16], hints: {forNodes: [{name: n2}]}}";
  CHECK(targets(here + "," + there, false) == "10.42.0.15 ");
  CHECK(targets(there, false) == "10.42.0.16 ");
}

TEST_CASE("only what changed is written", "[proxy]") {
  const auto web = [](const std::string& endpoints) {
    return make_rules(read(service("web", "{clusterIP: 10.43.0.7, ports: [{port: 80}]}"), {slice(endpoints)}),
                      facts());
  };
  RuleBook book(facts());
  book.set("ns/web", web(kOne));
  (void)book.everything(Present{});
  CHECK(book.changes().empty());
  book.set("ns/web", web(kOne));
  CHECK(book.changes().empty());

  book.set("ns/web", web(kOne + "," + kTwo));
  const auto grown = book.changes();
  CHECK(grown.find("MK-SERVICES") == std::string::npos);
  CHECK(grown.find("10.42.0.11:8080\" -m statistic") != std::string::npos);
  CHECK(grown.find("--to-destination 10.42.1.12:8080") != std::string::npos);
  CHECK(grown.find("--to-destination 10.42.0.11:8080") == std::string::npos);
  CHECK(grown.find("*filter") == std::string::npos);

  book.set("ns/web", web(kTwo));
  const auto shrunk = book.changes();
  CHECK(shrunk.find("-X MK-SEP-") != std::string::npos);
  CHECK(shrunk.find("--to-destination") == std::string::npos);

  book.set("ns/web", web(kOne));
  book.set("ns/web", web(kTwo));
  const auto back_and_forth = book.changes();
  CHECK(back_and_forth.find("--to-destination 10.42.0.11") == std::string::npos);

  book.set("ns/web", ServiceRules());
  const auto gone = book.changes();
  CHECK(gone.find(":MK-SERVICES") == std::string::npos);
  CHECK(gone.find("-D MK-SERVICES -d 10.43.0.7/32") < gone.find("-X MK-SVC-"));
  CHECK(gone.find("-X MK-SVC-") != std::string::npos);
  CHECK(gone.find("-A ") == std::string::npos);
}

TEST_CASE("lines in shared chains change one by one, behind those of the key that comes first", "[proxy]") {
  RuleBook book(facts());
  const Chain chain{Table::kNat, "MK-SERVICES"};
  ServiceRules first, web;
  first.shared[chain] = {"-j FIRST"};
  web.shared[chain] = {"-j A", "-j B"};
  book.set("", first);
  (void)book.everything(Present{});
  book.set("ns/web", web);
  CHECK(book.changes() == "*nat\n-I MK-SERVICES 2 -j B\n-I MK-SERVICES 2 -j A\nCOMMIT\n");
  ServiceRules other;
  other.shared[chain] = {"-j C"};
  book.set("ns/web", ServiceRules());
  book.set("ns/web", other);
  CHECK(book.changes() == "*nat\n-D MK-SERVICES -j A\n-D MK-SERVICES -j B\n-I MK-SERVICES 2 -j C\nCOMMIT\n");
  book.set("ns/web", web);
  book.set("ns/web", other);
  CHECK(book.changes().empty());
}

TEST_CASE("what the kernel holds is recognised, and removed or kept", "[proxy]") {
  Present present;
  read_save(
      Table::kNat,
      "*nat\n:PREROUTING ACCEPT [0:0]\n:MK-SERVICES - [0:0]\n:MK-SVC-OLD - [0:0]\n:MK-HOSTPORT - "
      "[0:0]\n:KUBE-SVC-X - [0:0]\n"
      "-A PREROUTING -m comment --comment \"mk services\" -j MK-SERVICES\n-A PREROUTING -j MK-HOSTPORT\n"
      "-A MK-SERVICES -j MK-SVC-OLD\nCOMMIT\n",
      present);
  CHECK(present.chains.size() == 2);
  CHECK(present.jumps.size() == 1);
  CHECK(remove_all(present) ==
        "*nat\n:MK-SERVICES - [0:0]\n:MK-SVC-OLD - [0:0]\n-D PREROUTING -m comment --comment \"mk services\" "
        "-j MK-SERVICES\n"
        "-X MK-SERVICES\n-X MK-SVC-OLD\nCOMMIT\n");
  CHECK(remove_all(Present{}).empty());
  RuleBook book(facts());
  const auto text = book.everything(present);
  CHECK(text.find("-I PREROUTING") == std::string::npos);
  CHECK(text.find("-I OUTPUT 1") != std::string::npos);
  CHECK(text.find("-X MK-SVC-OLD") != std::string::npos);
}

TEST_CASE("which UDP flows a change makes stale", "[proxy]") {
  UdpView before, after;
  before.frontends = after.frontends = {{"10.43.0.7", 53}};
  before.node_ports = after.node_ports = {30053};
  before.targets = {"10.42.0.1", "10.42.0.2"};
  after.targets = {"10.42.0.2"};
  const auto flow = [](const char* to, int port, const char* from) {
    Flow out;
    out.to_ip = to, out.to_port = port, out.from_ip = from;
    return out;
  };
  const StaleFlows stale(before, after);
  CHECK(stale.possible());
  CHECK(stale.matches(flow("10.43.0.7", 53, "10.42.0.1")));
  CHECK_FALSE(stale.matches(flow("10.43.0.7", 53, "10.42.0.2")));
  CHECK_FALSE(stale.matches(flow("10.43.0.8", 53, "10.42.0.1")));
  CHECK(stale.matches(flow("192.168.77.1", 30053, "10.42.0.1")));
  CHECK_FALSE(stale.matches(flow("192.168.77.1", 30053, "10.42.0.2")));
  CHECK_FALSE(stale.matches(flow("8.8.8.8", 30053, "8.8.8.8")));
  CHECK_FALSE(StaleFlows(before, before).possible());
  CHECK(StaleFlows(before, UdpView()).matches(flow("192.168.77.1", 30053, "10.42.0.2")));
  UdpView empty = after;
  empty.targets.clear();
  CHECK(StaleFlows(empty, after).matches(flow("10.43.0.7", 53, "10.43.0.7")));
  CHECK(StaleFlows(empty, after).matches(flow("192.168.77.1", 30053, "192.168.77.1")));
  UdpView more = before;
  more.targets.insert("10.42.0.3");
  CHECK_FALSE(StaleFlows(before, more).possible());
}

TEST_CASE("programs and their arguments", "[proxy]") {
  CHECK(knows_random_fully("iptables v1.8.9 (nf_tables)\n"));
  CHECK(knows_random_fully("iptables v1.6.2"));
  CHECK_FALSE(knows_random_fully("iptables v1.6.1"));
  CHECK_FALSE(knows_random_fully("iptables v1.4.21"));
  CHECK(arguments_of("-m comment --comment \"mk services\" -j X") ==
        std::vector<std::string>{"-m", "comment", "--comment", "mk services", "-j", "X"});
}
