#include <catch2/catch.hpp>

#include "http/test_server.h"
#include "resource_metrics/readings.h"
#include "resource_metrics/scraper.h"

using namespace mk;
using namespace mk::apiserver;
using namespace std::chrono_literals;

namespace {

constexpr auto kText = R"(# HELP node_cpu_usage_seconds_total Cumulative
# TYPE node_cpu_usage_seconds_total counter
node_cpu_usage_seconds_total 12.5 1700000000000
node_memory_working_set_bytes 2048 1700000000000
container_cpu_usage_seconds_total{container="a",namespace="ns",pod="web"} 3.25 1700000000500
container_memory_working_set_bytes{container="a",namespace="ns",pod="web"} 4096 1700000000500
container_start_time_seconds{container="a",namespace="ns",pod="web"} 1699999999.5 1700000000500
container_cpu_usage_seconds_total{container="odd \"}, name",namespace="ns",pod="web"} 1 1700000000500
pod_cpu_usage_seconds_total{namespace="ns",pod="web"} 5 1700000000500
resource_scrape_error 0
)";

Reading reading(double cpu, rt::Duration at, rt::Duration started = 1s, std::int64_t memory = 1024) {
  Reading out;
  out.cpu_seconds = cpu;
  out.at = rt::WallTime(at);
  out.started = rt::WallTime(started);
  out.memory = memory;
  return out;
}

}  // namespace

TEST_CASE("a kubelet's metrics are read by node, pod and container") {
  const auto out = parse_readings(kText);
  REQUIRE(out.ok());
  CHECK(out->node.cpu_seconds == 12.5);
  CHECK(out->node.memory == 2048);
  CHECK(out->node.at == rt::WallTime(1700000000s));
  REQUIRE(out->pods.size() == 1);
  const auto& web = out->pods.at("ns/web");
  CHECK(web.size() == 2);
  CHECK(web.at("a").cpu_seconds == 3.25);
  CHECK(web.at("a").memory == 4096);
  CHECK(web.at("a").started == rt::WallTime(1699999999500ms));
  CHECK(web.count("odd \"}, name") == 1);
}

TEST_CASE("what is no text of metrics is refused") {
  for (const char* wrong : {"", "hello", "a{b=\"c} 1\n", "node_cpu_usage_seconds_total x 1\n", "<html> 1\n"})
    CHECK_FALSE(parse_readings(wrong).ok());
}

TEST_CASE("usage is the mean between two looks") {
  const Reading before = reading(10, 100s), now = reading(12, 104s);
  const auto usage = usage_since(&before, now);
  REQUIRE(usage);
  CHECK(usage->nano_cores == 500'000'000);
  CHECK(usage->memory == 1024);
  CHECK(usage->window == 4s);
}

TEST_CASE(
    "a container that was started since counts from its start, and what went backwards does not count") {
  const Reading before = reading(10, 100s);
  const Reading again = reading(1, 104s, 102s);
  CHECK(usage_since(&before, again)->nano_cores == 500'000'000);
  CHECK(usage_since(nullptr, again)->window == 2s);
  CHECK_FALSE(usage_since(&before, reading(9, 104s)));
  CHECK_FALSE(usage_since(&before, reading(11, 100s + 100ms)));
  CHECK_FALSE(usage_since(nullptr, reading(1, 104s, 0s)));
}

TEST_CASE("quantities and windows are spelled as metrics.k8s.io has them") {
  CHECK(cpu_text(0) == "0");
  CHECK(cpu_text(1234567) == "1234567n");
  CHECK(memory_text(4096) == "4Ki");
  CHECK(memory_text(1000) == "1000");
  CHECK(window_text(15018ms) == "15.018s");
  CHECK(window_text(75s) == "1m15s");
}

TEST_CASE("metrics.k8s.io is discovered, described, read-only, and needs rights") {
  apiserver::testing::TestServer server;
  const std::string base = "/apis/metrics.k8s.io/v1beta1";
  const auto resources = server.get(base).json();
  REQUIRE(api::list(resources, "resources").size() == 2);
  CHECK(api::str(api::list(resources, "resources")[0], "kind") == "NodeMetrics");
  CHECK(api::list(api::list(resources, "resources")[1], "verbs").size() == 2);
  CHECK(server.get("/openapi/v3/apis/metrics.k8s.io/v1beta1").text.find("NodeMetricsList") !=
        std::string::npos);
  CHECK(server.get("/openapi/v2").text.find("/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods") !=
        std::string::npos);
  const auto none = server.get(base + "/pods");
  CHECK(none.status == 200);
  CHECK(api::str(none.json(), "kind") == "PodMetricsList");
  CHECK(api::list(none.json(), "items").empty());
  CHECK(server.get(base + "/nodes/n1").status == 404);
  CHECK(server.get(base + "/namespaces/default/pods/web").reason() == "NotFound");
  CHECK(server.get(base + "/nodes?watch=true").status == 405);
  CHECK(server.post(base + "/nodes", "{metadata: {name: a}}").status == 405);
  CHECK(server.send(server.nobody(), server.request("GET", base + "/nodes")).status == 403);
  const auto table = server.get(base + "/nodes", "application/json;as=Table;v=v1;g=meta.k8s.io");
  CHECK(api::str(api::list(table.json(), "columnDefinitions")[1], "name") == "CPU");
}

TEST_CASE("a node whose kubelet does not answer is left out") {
  apiserver::testing::TestServer server;
  REQUIRE(server.post("/api/v1/nodes", "{apiVersion: v1, kind: Node, metadata: {name: n1}}").status == 201);
  const auto list = server.get("/apis/metrics.k8s.io/v1beta1/nodes");
  CHECK(list.status == 200);
  CHECK(api::list(list.json(), "items").empty());
}
