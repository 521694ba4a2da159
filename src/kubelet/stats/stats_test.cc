#include "stats/stats.h"

#include <catch2/catch.hpp>

using namespace mk;
using namespace mk::kubelet;

namespace {

Sample sample_of(int second, std::int64_t cpu) {
  Sample out;
  out.at = *rt::parse_time("2026-01-02T03:04:05Z") + std::chrono::seconds(second);
  out.node.usage.cpu_ns = 10 * cpu;
  out.node.usage.working_set = 1000;
  out.node.memory_total = 5000;
  PodUsage pod{"u1", "ns", "web", "/kubepods/podu1", {}, {}};
  pod.usage.cpu_ns = cpu + 7;
  ContainerUsage container{"c1", "main", "/kubepods/podu1/c1", out.at, {}};
  container.usage.cpu_ns = cpu;
  container.usage.working_set = 42;
  pod.containers.push_back(container);
  out.pods.push_back(pod);
  return out;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("rates come from two looks that are apart") {
  CpuRates rates;
  rates.add(sample_of(0, 1'000'000'000));
  CHECK(rates.nano_cores("c1") == -1);
  rates.add(sample_of(2, 2'000'000'000));
  CHECK(rates.nano_cores("c1") == 500'000'000);
  CHECK(rates.nano_cores("") == 5'000'000'000);
  CHECK(rates.nano_cores("gone") == -1);
}

TEST_CASE("the summary tells what node, pods and containers use") {
  CpuRates rates;
  const auto summary = summary_of(sample_of(0, 9), rates, "n1");
  CHECK(api::str(summary, "node.nodeName") == "n1");
  CHECK(api::num(summary, "node.memory.availableBytes") == 4000);
  const auto& pod = api::list(summary, "pods")[0];
  CHECK(api::str(pod, "podRef.uid") == "u1");
  CHECK(api::num(pod, "cpu.usageCoreNanoSeconds") == 16);
  const auto& container = api::list(pod, "containers")[0];
  CHECK(api::num(container, "memory.workingSetBytes") == 42);
  CHECK(api::find(container, "memory.rssBytes") == nullptr);  // unknown is not told
  CHECK(api::find(container, "cpu.usageNanoCores") == nullptr);
}

TEST_CASE("metrics carry the names that dashboards ask for") {
  const auto resource = resource_metrics(sample_of(0, 1'500'000'000));
  CHECK(has(resource,
            "container_cpu_usage_seconds_total{container=\"main\",namespace=\"ns\",pod=\"web\"} 1.500000 "));
  CHECK(has(resource,
            "container_memory_working_set_bytes{container=\"main\",namespace=\"ns\",pod=\"web\"} 42 "));
  CHECK(has(resource, "# TYPE pod_cpu_usage_seconds_total counter\n"));
  CHECK(has(resource, "node_memory_working_set_bytes 1000 "));
  const auto cadvisor = cadvisor_metrics(sample_of(0, 1'500'000'000), 2);
  CHECK(has(cadvisor,
            "container_cpu_usage_seconds_total{cpu=\"total\",id=\"/kubepods/podu1/c1\",name=\"c1\","
            "container=\"main\",namespace=\"ns\",pod=\"web\"} 1.500000 "));
  CHECK(has(cadvisor, "machine_cpu_cores 2 "));
}

TEST_CASE("the node's own use is read from /proc") {
  CHECK(cpu_ns_of("cpu  100 10 50 9999 77 1 2 3 0 0\ncpu0 1 1 1", 100) == 1'660'000'000);
  std::int64_t total = 0;
  const auto memory =
      memory_of("MemTotal: 1000 kB\nMemFree: 400 kB\nInactive(file): 100 kB\nAnonPages: 50 kB\n", total);
  CHECK(total == 1000 * 1024);
  CHECK(memory.memory == 600 * 1024);
  CHECK(memory.working_set == 500 * 1024);
  CHECK(memory.rss == 50 * 1024);
}
