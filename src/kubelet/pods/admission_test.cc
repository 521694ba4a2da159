#include "pods/admission.h"
#include "pods/preemption.h"

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

namespace {
Json sized(const std::string& cpu, int priority, const std::string& more = "") {
  return *api::parse_json(R"({"spec":{"priority":)" + std::to_string(priority) +
                          R"(,"containers":[{"name":"a","resources":{"requests":{"cpu":")" + cpu + "\"" +
                          more + "}}}]}}");
}
}  // namespace

TEST_CASE("a critical pod takes the room of as few as possible, the cheapest first") {
  const NodeCapacity node{1000, 1 << 30, 1 << 30, 110};
  const Json name = *api::parse_json(R"({"metadata":{"name":"n"}})");
  const Json critical = sized("500m", 2'000'001'000), plain = sized("500m", 0);
  const Json small = sized("100m", 0), large = sized("400m", 0), dear = sized("400m", 9),
             core = sized("100m", 2'000'000'000);
  const std::vector<const Json*> others{&core, &dear, &large, &small};
  CHECK(victims_for(critical, others, node, name) == std::vector<std::size_t>{2, 3});
  CHECK(victims_for(sized("300m", 2'000'001'000), others, node, name) == std::vector<std::size_t>{2});
  CHECK(victims_for(plain, others, node, name).empty());
  CHECK(victims_for(sized("1001m", 2'000'001'000), others, node, name).empty());
  CHECK(victims_for(critical, {&small}, node, name).empty());
}
