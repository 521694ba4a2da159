#include "stats/stats.h"

#include <fmt/core.h>

#include "pods/pod_view.h"

namespace mk::kubelet {

namespace {

constexpr auto kApart = std::chrono::seconds(1);

std::int64_t millis(rt::WallTime time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

void put(JsonObject& out, const char* name, std::int64_t value) {
  if (value >= 0) out[name] = value;
}

Json cpu_json(rt::WallTime at, const Usage& usage, std::int64_t rate) {
  JsonObject out{{"time", text(rt::format_time(at))}};
  put(out, "usageNanoCores", rate);
  put(out, "usageCoreNanoSeconds", usage.cpu_ns);
  return out;
}

Json memory_json(rt::WallTime at, const Usage& usage, std::int64_t available) {
  JsonObject out{{"time", text(rt::format_time(at))}};
  put(out, "availableBytes", available);
  put(out, "usageBytes", usage.memory);
  put(out, "workingSetBytes", usage.working_set);
  put(out, "rssBytes", usage.rss);
  put(out, "pageFaults", usage.page_faults);
  put(out, "majorPageFaults", usage.major_page_faults);
  return out;
}

Json files_json(rt::WallTime at, const FileSystemUsage& files) {
  return JsonObject{{"time", text(rt::format_time(at))},
                    {"availableBytes", files.available},
                    {"capacityBytes", files.capacity},
                    {"usedBytes", files.capacity - files.available},
                    {"inodesFree", files.inodes_free},
                    {"inodes", files.inodes},
                    {"inodesUsed", files.inodes - files.inodes_free}};
}

std::string quoted(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

// A family of Prometheus' text format; samples without a value are left out.
class Family {
 public:
  Family(std::string& out, std::string name, const char* type, const char* help, rt::WallTime at)
      : out_(out), name_(std::move(name)), at_(at) {
    out_ += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name_, help, name_, type);
  }
  void add(const std::string& labels, std::int64_t value, double scale = 1) {
    if (value < 0) return;
    const std::string number =
        scale == 1 ? std::to_string(value) : fmt::format("{:.6f}", static_cast<double>(value) * scale);
    out_ += name_ + (labels.empty() ? "" : "{" + labels + "}") + " " + number + " " +
            std::to_string(millis(at_)) + "\n";
  }

 private:
  std::string& out_;
  const std::string name_;
  const rt::WallTime at_;
};

constexpr double kNano = 1e-9, kMilli = 1e-3;

std::string of_pod(const PodUsage& pod) {
  return fmt::format("namespace=\"{}\",pod=\"{}\"", quoted(pod.ns), quoted(pod.name));
}
std::string of_container(const PodUsage& pod, const ContainerUsage& container) {
  return fmt::format("container=\"{}\",{}", quoted(container.name), of_pod(pod));
}

}  // namespace

void CpuRates::add(const Sample& sample) {
  if (at_ != rt::WallTime() && sample.at - at_ < kApart) return;
  const double seconds = std::chrono::duration<double>(sample.at - at_).count();
  std::map<std::string, std::int64_t> now;
  now[""] = sample.node.usage.cpu_ns;
  for (const auto& pod : sample.pods) {
    now[pod.uid] = pod.usage.cpu_ns;
    for (const auto& container : pod.containers) now[container.id] = container.usage.cpu_ns;
  }
  rates_.clear();
  for (const auto& [id, total] : now) {
    const auto before = last_.find(id);
    if (before != last_.end() && before->second >= 0 && total >= before->second)
      rates_[id] = static_cast<std::int64_t>(static_cast<double>(total - before->second) / seconds);
  }
  last_ = std::move(now);
  at_ = sample.at;
}

std::int64_t CpuRates::nano_cores(const std::string& id) const {
  const auto found = rates_.find(id);
  return found == rates_.end() ? -1 : found->second;
}

Json summary_of(const Sample& sample, const CpuRates& rates, const std::string& node_name) {
  const auto& node = sample.node;
  JsonArray pods;
  for (const auto& pod : sample.pods) {
    JsonArray containers;
    for (const auto& container : pod.containers)
      containers.push_back(
          JsonObject{{"name", text(container.name)},
                     {"startTime", text(rt::format_time(container.started_at))},
                     {"cpu", cpu_json(sample.at, container.usage, rates.nano_cores(container.id))},
                     {"memory", memory_json(sample.at, container.usage, -1)}});
    JsonObject ref{{"name", text(pod.name)}, {"namespace", text(pod.ns)}, {"uid", text(pod.uid)}};
    pods.push_back(JsonObject{{"podRef", std::move(ref)},
                              {"cpu", cpu_json(sample.at, pod.usage, rates.nano_cores(pod.uid))},
                              {"memory", memory_json(sample.at, pod.usage, -1)},
                              {"containers", std::move(containers)}});
  }
  JsonObject whole{{"nodeName", text(node_name)},
                   {"cpu", cpu_json(sample.at, node.usage, rates.nano_cores(""))},
                   {"memory", memory_json(sample.at, node.usage, node.memory_total - node.usage.working_set)},
                   {"fs", files_json(sample.at, node.files)},
                   {"runtime", JsonObject{{"imageFs", files_json(sample.at, node.files)}}}};
  return JsonObject{{"node", std::move(whole)}, {"pods", std::move(pods)}};
}

std::string resource_metrics(const Sample& sample) {
  std::string out;
  const auto at = sample.at;
  const auto containers = [&](Family family, auto value, double scale) {
    for (const auto& pod : sample.pods)
      for (const auto& container : pod.containers)
        family.add(of_container(pod, container), value(container), scale);
  };
  containers(
      Family(out, "container_cpu_usage_seconds_total", "counter",
             "Cumulative cpu time consumed by the container in core-seconds", at),
      [](const ContainerUsage& c) { return c.usage.cpu_ns; }, kNano);
  containers(
      Family(out, "container_memory_working_set_bytes", "gauge",
             "Current working set of the container in bytes", at),
      [](const ContainerUsage& c) { return c.usage.working_set; }, 1);
  containers(
      Family(out, "container_start_time_seconds", "gauge",
             "Start time of the container since unix epoch in seconds", at),
      [](const ContainerUsage& c) { return millis(c.started_at); }, kMilli);
  Family(out, "node_cpu_usage_seconds_total", "counter",
         "Cumulative cpu time consumed by the node in core-seconds", at)
      .add("", sample.node.usage.cpu_ns, kNano);
  Family(out, "node_memory_working_set_bytes", "gauge", "Current working set of the node in bytes", at)
      .add("", sample.node.usage.working_set);
  Family cpu(out, "pod_cpu_usage_seconds_total", "counter",
             "Cumulative cpu time consumed by the pod in core-seconds", at);
  for (const auto& pod : sample.pods) cpu.add(of_pod(pod), pod.usage.cpu_ns, kNano);
  Family memory(out, "pod_memory_working_set_bytes", "gauge", "Current working set of the pod in bytes", at);
  for (const auto& pod : sample.pods) memory.add(of_pod(pod), pod.usage.working_set);
  out +=
      "# HELP resource_scrape_error 1 if there was an error while getting container metrics, 0 otherwise\n"
      "# TYPE resource_scrape_error gauge\nresource_scrape_error 0\n";
  return out;
}

std::string cadvisor_metrics(const Sample& sample, int cores) {
  std::string out;
  const auto at = sample.at;
  const auto all = [&](Family family, auto value, double scale, const char* extra = "") {
    for (const auto& pod : sample.pods) {
      family.add(fmt::format("container=\"\",{}id=\"{}\",{}", extra, quoted(pod.cgroup), of_pod(pod)),
                 value(pod.usage), scale);
      for (const auto& container : pod.containers)
        family.add(fmt::format("{}id=\"{}\",name=\"{}\",{}", extra, quoted(container.cgroup), container.id,
                               of_container(pod, container)),
                   value(container.usage), scale);
    }
  };
  all(
      Family(out, "container_cpu_usage_seconds_total", "counter", "Cumulative cpu time consumed in seconds.",
             at),
      [](const Usage& u) { return u.cpu_ns; }, kNano, "cpu=\"total\",");
  all(
      Family(out, "container_memory_usage_bytes", "gauge",
             "Current memory usage in bytes, including all memory regardless of when it was accessed", at),
      [](const Usage& u) { return u.memory; }, 1);
  all(
      Family(out, "container_memory_working_set_bytes", "gauge", "Current working set in bytes.", at),
      [](const Usage& u) { return u.working_set; }, 1);
  all(
      Family(out, "container_memory_rss", "gauge", "Size of RSS in bytes.", at),
      [](const Usage& u) { return u.rss; }, 1);
  Family started(out, "container_start_time_seconds", "gauge",
                 "Start time of the container since unix epoch in seconds.", at);
  for (const auto& pod : sample.pods)
    for (const auto& container : pod.containers)
      started.add(fmt::format("id=\"{}\",name=\"{}\",{}", quoted(container.cgroup), container.id,
                              of_container(pod, container)),
                  millis(container.started_at), kMilli);
  Family(out, "machine_cpu_cores", "gauge", "Number of logical CPU cores.", at).add("", cores);
  Family(out, "machine_memory_bytes", "gauge", "Amount of memory installed on the machine.", at)
      .add("", sample.node.memory_total);
  return out;
}

}  // namespace mk::kubelet
