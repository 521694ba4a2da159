#include "answer.h"

#include <algorithm>
#include <catch2/catch.hpp>

using namespace mk;
using namespace mk::dns;

namespace {

api::Object object(std::string_view yaml) {
  return api::Object(api::parse_yaml(yaml).value());
}

// A zone with one Service of each kind.
struct Fixture {
  Zone zone;
  std::unique_ptr<rt::Random> random = rt::make_random(1);
  Answerer answerer{zone, *random, "cluster.local"};

  Fixture() {
    service(
        "{metadata: {namespace: default, name: web}, spec: {type: ClusterIP, clusterIP: 10.43.0.7, "
        "clusterIPs: [10.43.0.7],"
        " ports: [{name: http, port: 80}, {name: dns, port: 53, protocol: UDP}]}}");
    service(
        "{metadata: {namespace: default, name: db}, spec: {type: ClusterIP, clusterIP: None, ports: [{name: "
        "sql, port: 5432}]}}");
    service(
        "{metadata: {namespace: default, name: none}, spec: {type: ClusterIP, clusterIP: None, ports: "
        "[{name: x, port: 1}]}}");
    service(
        "{metadata: {namespace: default, name: out}, spec: {type: ExternalName, externalName: "
        "www.example.com}}");
    service(
        "{metadata: {namespace: default, name: in}, spec: {type: ExternalName, externalName: "
        "web.default.svc.cluster.local}}");
    service(
        "{metadata: {namespace: default, name: loop}, spec: {type: ExternalName, externalName: "
        "loop.default.svc.cluster.local}}");
    slice(
        "{metadata: {namespace: default, name: db-1, labels: {kubernetes.io/service-name: db}}, addressType: "
        "IPv4,"
        " ports: [{name: sql, port: 5432, protocol: TCP}], endpoints: ["
        "{addresses: [10.42.0.5], hostname: db-0, conditions: {ready: true}},"
        "{addresses: [10.42.0.6], conditions: {}},"
        "{addresses: [10.42.0.9], hostname: db-9, conditions: {ready: false}}]}");
  }

  void service(std::string_view yaml) { zone.put_service(object(yaml)); }
  void slice(std::string_view yaml) { zone.put_slice(object(yaml)); }

  Answer ask(std::string_view name, std::uint16_t type = kA) const {
    return answerer.answer(Question{name_from_text(name).value(), type, kClassIn});
  }

  // "NOERROR 10.0.0.1 ...", sorted; how the whole table below is written.
  std::string show(std::string_view name, std::uint16_t type = kA) const {
    const Answer answer = ask(name, type);
    if (!answer.ours) return "upstream";
    std::vector<std::string> parts;
    for (const auto& record : answer.answers) parts.push_back(show(record));
    std::sort(parts.begin(), parts.end());
    std::string out = answer.rcode == kNxDomain  ? "NXDOMAIN"
                      : answer.rcode == kNoError ? "NOERROR"
                                                 : "SERVFAIL";
    for (const auto& part : parts) out += " " + part;
    if (!answer.authorities.empty()) out += " soa";
    if (!answer.chase.empty()) out += " -> " + name_to_text(answer.chase);
    return out;
  }

  static std::string show(const Record& record) {
    switch (record.type) {
      case kA:
      case kAaaa:
        return address_text(record.rdata);
      case kCname:
      case kPtr:
        return name_to_text(record.rdata);
      case kTxt:
        return record.rdata.substr(1);
      case kSrv:
        return std::to_string(static_cast<std::uint8_t>(record.rdata[4]) * 256 +
                              static_cast<std::uint8_t>(record.rdata[5])) +
               ":" + name_to_text(std::string_view(record.rdata).substr(6));
      default:
        return "type" + std::to_string(record.type);
    }
  }
};

}  // namespace

TEST_CASE("addresses of services, endpoints and pods", "[dns]") {
  const Fixture f;
  CHECK(f.show("web.default.svc.cluster.local") == "NOERROR 10.43.0.7");
  CHECK(f.show("WEB.Default.svc.Cluster.LOCAL") == "NOERROR 10.43.0.7");
  CHECK(f.show("web.default.svc.cluster.local", kAaaa) == "NOERROR soa");
  CHECK(f.show("web.default.svc.cluster.local", kMx) == "NOERROR soa");
  CHECK(f.show("db.default.svc.cluster.local") == "NOERROR 10.42.0.5 10.42.0.6");
  CHECK(f.show("db-0.db.default.svc.cluster.local") == "NOERROR 10.42.0.5");
  CHECK(f.show("10-42-0-6.db.default.svc.cluster.local") == "NOERROR 10.42.0.6");
  CHECK(f.show("db-9.db.default.svc.cluster.local") == "NXDOMAIN soa");
  CHECK(f.show("none.default.svc.cluster.local") == "NXDOMAIN soa");
  CHECK(f.show("10-42-0-9.default.pod.cluster.local") == "NOERROR 10.42.0.9");
  CHECK(f.show("fd00--9.default.pod.cluster.local", kAaaa) == "NOERROR fd00::9");
  CHECK(f.show("10-42-0-9.default.pod.cluster.local", kAaaa) == "NOERROR soa");
  CHECK(f.show("pod-name.default.pod.cluster.local") == "NXDOMAIN soa");
}

TEST_CASE("names that do not exist and names that are only on the way", "[dns]") {
  const Fixture f;
  CHECK(f.show("nope.default.svc.cluster.local") == "NXDOMAIN soa");
  CHECK(f.show("web.nope.svc.cluster.local") == "NXDOMAIN soa");
  CHECK(f.show("x.web.default.svc.cluster.local") == "NXDOMAIN soa");
  CHECK(f.show("www.google.com.cluster.local") == "NXDOMAIN soa");
  CHECK(f.show("www.google.com.default.svc.cluster.local") == "NXDOMAIN soa");
  CHECK(f.show("svc.cluster.local") == "NOERROR soa");
  CHECK(f.show("default.svc.cluster.local") == "NOERROR soa");
  CHECK(f.show("nope.svc.cluster.local") == "NXDOMAIN soa");
  CHECK(f.show("_tcp.web.default.svc.cluster.local") == "NOERROR soa");
  CHECK(f.show("cluster.local", kSoa) == "NOERROR type6");
  CHECK(f.show("cluster.local") == "NOERROR soa");
  CHECK(f.show("dns-version.cluster.local", kTxt) == "NOERROR 1.1.0");
  CHECK(f.show("www.example.com") == "upstream");
  CHECK(f.show("notcluster.local") == "upstream");
  CHECK(f.show("xcluster.local") == "upstream");
}

TEST_CASE("ports", "[dns]") {
  const Fixture f;
  CHECK(f.show("_http._tcp.web.default.svc.cluster.local", kSrv) ==
        "NOERROR 80:web.default.svc.cluster.local");
  CHECK(f.show("_dns._udp.web.default.svc.cluster.local", kSrv) ==
        "NOERROR 53:web.default.svc.cluster.local");
  CHECK(f.show("_http._udp.web.default.svc.cluster.local", kSrv) == "NXDOMAIN soa");
  CHECK(f.show("_http._tcp.web.default.svc.cluster.local", kA) == "NOERROR soa");
  CHECK(f.show("http.tcp.web.default.svc.cluster.local", kSrv) == "NXDOMAIN soa");
  CHECK(f.show("_sql._tcp.db.default.svc.cluster.local", kSrv) ==
        "NOERROR 5432:10-42-0-6.db.default.svc.cluster.local 5432:db-0.db.default.svc.cluster.local");
  CHECK(f.show("web.default.svc.cluster.local", kSrv) ==
        "NOERROR 53:web.default.svc.cluster.local 80:web.default.svc.cluster.local");
  const auto answer = f.ask("_sql._tcp.db.default.svc.cluster.local", kSrv);
  CHECK(answer.additionals.size() == 2);
}

TEST_CASE("external names", "[dns]") {
  const Fixture f;
  CHECK(f.show("out.default.svc.cluster.local", kCname) == "NOERROR www.example.com");
  CHECK(f.show("out.default.svc.cluster.local") == "NOERROR www.example.com -> www.example.com");
  CHECK(f.show("in.default.svc.cluster.local") == "NOERROR 10.43.0.7 web.default.svc.cluster.local");
  CHECK(f.ask("in.default.svc.cluster.local").answers[0].type == kCname);
  CHECK(f.show("in.default.svc.cluster.local", kAaaa) == "NOERROR web.default.svc.cluster.local soa");
  CHECK(f.ask("loop.default.svc.cluster.local").rcode == kServFail);
}

TEST_CASE("addresses back to names", "[dns]") {
  const Fixture f;
  CHECK(reverse_address("7.0.43.10.in-addr.arpa") == address_bytes("10.43.0.7"));
  CHECK(reverse_address("0.43.10.in-addr.arpa").empty());
  CHECK(f.show("7.0.43.10.in-addr.arpa", kPtr) == "NOERROR web.default.svc.cluster.local");
  CHECK(f.show("5.0.42.10.in-addr.arpa", kPtr) == "NOERROR db-0.db.default.svc.cluster.local");
  CHECK(f.show("6.0.42.10.in-addr.arpa", kPtr) == "NOERROR 10-42-0-6.db.default.svc.cluster.local");
  CHECK(f.show("9.0.42.10.in-addr.arpa", kPtr) == "upstream");
  CHECK(f.show("7.0.43.10.in-addr.arpa", kA) == "NOERROR");
}

TEST_CASE("the zone follows changes", "[dns]") {
  Fixture f;
  f.slice(
      "{metadata: {namespace: default, name: db-1, labels: {kubernetes.io/service-name: db}},"
      " endpoints: [{addresses: [10.42.0.8], hostname: db-0}]}");
  CHECK(f.show("db.default.svc.cluster.local") == "NOERROR 10.42.0.8");
  CHECK(f.show("5.0.42.10.in-addr.arpa", kPtr) == "upstream");
  f.slice(
      "{metadata: {namespace: default, name: db-2, labels: {kubernetes.io/service-name: db}},"
      " endpoints: [{addresses: [10.42.0.8], hostname: db-0}]}");
  CHECK(f.show("db.default.svc.cluster.local") == "NOERROR 10.42.0.8");  // once, though in two slices
  f.zone.erase_slice(
      object("{metadata: {namespace: default, name: db-1, labels: {kubernetes.io/service-name: db}}}"));
  CHECK(f.show("8.0.42.10.in-addr.arpa", kPtr) == "NOERROR db-0.db.default.svc.cluster.local");

  f.service(
      "{metadata: {namespace: default, name: out}, spec: {type: ClusterIP, clusterIP: 10.43.0.8, ports: "
      "[]}}");
  CHECK(f.show("out.default.svc.cluster.local", kCname) == "NOERROR soa");
  CHECK(f.show("out.default.svc.cluster.local") == "NOERROR 10.43.0.8");

  for (const auto* name : {"web", "db", "none", "out", "in", "loop"})
    f.zone.erase_service(api::Key("default", name));
  CHECK(f.show("default.svc.cluster.local") == "NXDOMAIN soa");
  CHECK(f.show("7.0.43.10.in-addr.arpa", kPtr) == "upstream");
  CHECK(f.show("8.0.42.10.in-addr.arpa", kPtr) == "upstream");
}

TEST_CASE("the endpoints come in changing order", "[dns]") {
  const Fixture f;
  std::vector<std::string> orders;
  for (int i = 0; i < 64; ++i) {
    const auto answer = f.ask("db.default.svc.cluster.local");
    orders.push_back(address_text(answer.answers[0].rdata));
  }
  CHECK(std::count(orders.begin(), orders.end(), "10.42.0.5") > 10);  // shuffled
  CHECK(std::count(orders.begin(), orders.end(), "10.42.0.6") > 10);
}
