#include "pods/admission.h"

#include <catch2/catch.hpp>

using namespace mk;
using namespace mk::kubelet;

namespace {

Json parse(const char* yaml) {
  auto json = api::parse_yaml(yaml);
  REQUIRE(json.ok());
  return *json;
}

const char* const kHolds =
    "{spec: {containers: [{ports: [{hostPort: 80, protocol: TCP}, {hostPort: 53, hostIP: 10.0.0.1, protocol: "
    "UDP}]}]}}";

std::string refusal(const char* pod) {
  const Json other = parse(kHolds), node = parse("{metadata: {name: n, labels: {color: blue}}}");
  NodeCapacity capacity;
  capacity.pods = 10;
  const auto refused = admit(parse(pod), {&other}, capacity, node);
  return refused ? refused->reason : "";
}

}  // namespace

TEST_CASE("a node refuses a pod whose host port another pod has") {
  const auto port = [](const std::string& text) {
    return refusal(("{spec: {containers: [{ports: [{" + text + "}]}]}}").c_str());
  };
  CHECK(port("hostPort: 80") == "NodePorts");
  CHECK(port("hostPort: 80, hostIP: 10.0.0.1") == "NodePorts");
  CHECK(port("hostPort: 80, protocol: UDP") == "");
  CHECK(port("hostPort: 53, protocol: UDP") == "NodePorts");
  CHECK(port("hostPort: 53, protocol: UDP, hostIP: 10.0.0.2") == "");
  CHECK(port("containerPort: 80") == "");
}

TEST_CASE("a node refuses a pod that it was not chosen for") {
  CHECK(refusal("{spec: {nodeSelector: {color: green}}}") == "NodeAffinity");
  CHECK(refusal("{spec: {nodeSelector: {color: blue}}}") == "");
  const auto affinity = [](const std::string& term) {
    return refusal(("{spec: {affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: "
                    "{nodeSelectorTerms: [" +
                    term + "]}}}}}")
                       .c_str());
  };
  CHECK(affinity("{matchFields: [{key: metadata.name, operator: In, values: [n]}]}") == "");
  CHECK(affinity("{matchFields: [{key: metadata.name, operator: In, values: [other]}]}") == "NodeAffinity");
  CHECK(affinity("{matchExpressions: [{key: color, operator: Exists}]}") == "");
}
