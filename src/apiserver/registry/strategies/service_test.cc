#include <set>

#include "registry/strategies/test_cluster.h"

using namespace mk;
using namespace mk::apiserver;
using namespace mk::apiserver::testing;
using api::Json;

namespace {

const char* const kService = R"(
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec:
  selector: {app: web}
  ports: [{port: 80}]
)";

Json service(std::string_view patch = "{}") {
  return TestCluster::patched(TestCluster::parse(kService), patch);
}

// As the registry: made, then stored.
Json stored(TestCluster& cluster, std::string_view patch = "{}") {
  auto made = cluster.create(service(patch));
  if (!made.ok()) FAIL(made.error().message());
  cluster.put(*made);
  return std::move(*made);
}

}  // namespace

TEST_CASE("a Service gets an address and Kubernetes' defaults") {
  TestCluster cluster;
  Json made = stored(cluster);
  const std::string address(api::str(made, "spec.clusterIP"));
  CHECK(address.find("10.43.") == 0);
  CHECK(address != "10.43.0.1");
  CHECK(*api::find(made, "spec.clusterIPs") == Json(api::JsonArray{api::text(address)}));
  api::erase(made, "spec.clusterIP");
  api::erase(made, "spec.clusterIPs");
  CHECK(*api::find(made, "spec") == TestCluster::parse(R"(
selector: {app: web}
ports: [{port: 80, protocol: TCP, targetPort: 80}]
type: ClusterIP
sessionAffinity: None
internalTrafficPolicy: Cluster
ipFamilies: [IPv4]
ipFamilyPolicy: SingleStack
)"));
}

TEST_CASE("addresses are given once, from the upper band") {
  TestCluster cluster;
  std::set<std::string> seen;
  for (int i = 0; i < 300; ++i) {
    const Json made = stored(cluster, "{metadata: {name: s" + std::to_string(i) + "}}");
    const std::string address(api::str(made, "spec.clusterIP"));
    CHECK(seen.insert(address).second);
    CHECK(address.find("10.43.0.") != 0);  // the first 256 are for those who name theirs
  }
}

TEST_CASE("an address that is named is claimed") {
  TestCluster cluster;
  const Json first = stored(cluster, "{spec: {clusterIP: 10.43.0.10}}");
  const auto second = cluster.create(service("{metadata: {name: other}, spec: {clusterIP: 10.43.0.10}}"));
  REQUIRE(!second.ok());
  CHECK(second.error().message() ==
        "Service \"other\" is invalid: spec.clusterIPs: Invalid value: [\"10.43.0.10\"]: failed to allocate "
        "IP 10.43.0.10: "
        "provided IP is already allocated");
  CHECK(TestCluster::problems(
            cluster.create(service("{metadata: {name: far}, spec: {clusterIP: 10.99.0.1}}"))) ==
        Texts{"spec.clusterIPs: Invalid value: [\"10.99.0.1\"]: failed to allocate IP 10.99.0.1: provided IP "
              "is not in the valid "
              "range. The range of valid IPs is 10.43.0.0/16"});
  cluster.remove(first);
  CHECK(cluster.create(service("{metadata: {name: other}, spec: {clusterIP: 10.43.0.10}}")).ok());
}

TEST_CASE("a claim whose write failed is free again") {
  TestCluster cluster;
  // Not valid for another reason: what it claimed is given back.
  CHECK(!cluster.create(service("{spec: {clusterIP: 10.43.0.20, sessionAffinity: Sometimes}}")).ok());
  CHECK(cluster.create(service("{spec: {clusterIP: 10.43.0.20}}")).ok());
}

TEST_CASE("node ports") {
  TestCluster cluster;
  const Json made = stored(cluster,
                           "{spec: {type: NodePort, ports: [{name: a, port: 53, protocol: TCP}, {name: b, "
                           "port: 53, protocol: UDP}, "
                           "{name: c, port: 80}]}}");
  const auto& ports = api::list(made, "spec.ports");
  CHECK(api::num(ports[0], "nodePort") >= 30086);
  CHECK(api::num(ports[0], "nodePort") == api::num(ports[1], "nodePort"));  // one number, two protocols
  CHECK(api::num(ports[0], "nodePort") != api::num(ports[2], "nodePort"));
  CHECK(api::str(made, "spec.externalTrafficPolicy") == "Cluster");
  const auto claim = [&](const std::string& name, int port) {
    return TestCluster::problems(cluster.create(
        service("{metadata: {name: " + name +
                "}, spec: {type: NodePort, ports: [{port: 80, nodePort: " + std::to_string(port) + "}]}}")));
  };
  CHECK(claim("x", static_cast<int>(api::num(ports[0], "nodePort"))) ==
        Texts{"spec.ports[0].nodePort: Invalid value: " + std::to_string(api::num(ports[0], "nodePort")) +
              ": provided port is already allocated"});
  CHECK(
      claim("y", 80) ==
      Texts{
          "spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The range of "
          "valid ports is 30000-32767"});
  CHECK(claim("z", 30001) == Texts());
}

TEST_CASE("changes of type shed and gain what belongs to them") {
  TestCluster cluster;
  const Json node_port = stored(cluster, "{spec: {type: NodePort}}");
  auto plain = cluster.update(TestCluster::patched(node_port, "{spec: {type: ClusterIP}}"), node_port);
  REQUIRE(plain.ok());
  CHECK(api::find(api::list(*plain, "spec.ports")[0], "nodePort") == nullptr);
  CHECK(api::find(*plain, "spec.externalTrafficPolicy") == nullptr);
  CHECK(api::str(*plain, "spec.clusterIP") == api::str(node_port, "spec.clusterIP"));

  auto external = cluster.update(
      TestCluster::patched(node_port, "{spec: {type: ExternalName, externalName: example.com}}"), node_port);
  REQUIRE(external.ok());
  CHECK(api::find(*external, "spec.clusterIP") == nullptr);
  CHECK(api::find(*external, "spec.ipFamilies") == nullptr);

  auto balanced = cluster.update(
      TestCluster::patched(node_port, "{spec: {type: LoadBalancer, externalTrafficPolicy: Local}}"),
      node_port);
  REQUIRE(balanced.ok());
  CHECK(api::flag(*balanced, "spec.allocateLoadBalancerNodePorts"));
  CHECK(api::num(*balanced, "spec.healthCheckNodePort") >= 30000);
  CHECK(api::list(*balanced, "spec.ports") == api::list(node_port, "spec.ports"));
}

TEST_CASE("an update that leaves out what was allocated keeps it") {
  TestCluster cluster;
  const Json old = stored(cluster, "{spec: {type: NodePort}}");
  Json again = service("{spec: {type: NodePort}}");
  api::set(again, "metadata.uid", *api::find(old, "metadata.uid"));
  auto updated = cluster.update(again, old);
  REQUIRE(updated.ok());
  CHECK(*api::find(*updated, "spec") == *api::find(old, "spec"));
}

TEST_CASE("bad Services are refused in Kubernetes' words") {
  TestCluster cluster;
  const auto problems = [&](std::string_view patch) {
    return TestCluster::problems(cluster.create(service(patch)));
  };
  CHECK(problems("{spec: {ports: []}}") == Texts{"spec.ports: Required value"});
  CHECK(problems("{spec: {clusterIP: None, ports: []}}") == Texts());
  CHECK(problems("{spec: {type: Magic}}") ==
        Texts{"spec.type: Unsupported value: \"Magic\": supported values: \"ClusterIP\", \"ExternalName\", "
              "\"LoadBalancer\", \"NodePort\""});
  CHECK(problems("{spec: {type: ExternalName}}") == Texts{"spec.externalName: Required value"});
  CHECK(problems("{spec: {type: NodePort, clusterIP: None}}") ==
        Texts{"spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services"});
  CHECK(problems("{spec: {ports: [{port: 1}, {port: 2}]}}") ==
        Texts{"spec.ports[0].name: Required value", "spec.ports[1].name: Required value"});
  CHECK(problems("{spec: {ports: [{port: 80, nodePort: 30000}]}}") ==
        Texts{"spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"});
  CHECK(problems("{spec: {externalTrafficPolicy: Local}}") ==
        Texts{"spec.externalTrafficPolicy: Invalid value: \"Local\": may only be set for "
              "externally-accessible services"});
  CHECK(problems("{spec: {ipFamilyPolicy: RequireDualStack}}") ==
        Texts{"spec.ipFamilyPolicy: Invalid value: \"RequireDualStack\": this cluster is not configured for "
              "dual-stack services"});
  const Json old = stored(cluster);
  const auto moved = cluster.update(
      TestCluster::patched(old, "{spec: {clusterIP: 10.43.9.9, clusterIPs: [10.43.9.9]}}"), old);
  CHECK(TestCluster::problems(moved) ==
        Texts{"spec.clusterIPs[0]: Invalid value: [\"10.43.9.9\"]: may not change once set"});
}

TEST_CASE("ClientIP affinity has a timeout") {
  TestCluster cluster;
  const Json made = stored(cluster, "{spec: {sessionAffinity: ClientIP}}");
  CHECK(api::num(made, "spec.sessionAffinityConfig.clientIP.timeoutSeconds") == 10800);
}
