#include "mk/base/files.h"
#include "mk/base/strings.h"
#include "runtime/runtime.h"

// What pods use, from the counters of their cgroups.
namespace mk::kubelet {

namespace {

std::int64_t read_number(const std::string& path) {
  const auto text = read_file(path);
  return text.ok() ? parse_int(trim(*text)).value_or(-1) : -1;
}

// "name value" lines.
class Counters {
 public:
  explicit Counters(const std::string& path) : text_(read_file(path).value_or("")) {}
  std::int64_t get(std::string_view name) const {
    for (const auto line : split(text_, '\n'))
      if (line.size() > name.size() && line.starts_with(name) && line[name.size()] == ' ')
        return parse_int(trim(line.substr(name.size()))).value_or(-1);
    return -1;
  }

 private:
  const std::string text_;
};

struct UsageWork {
  std::vector<PodUsage> pods;
  Cgroups cgroups;

  std::vector<PodUsage> operator()() {
    for (auto& pod : pods) {
      pod.usage = cgroups.usage(pod.cgroup);
      for (auto& container : pod.containers) container.usage = cgroups.usage(container.cgroup);
    }
    return std::move(pods);
  }
};

}  // namespace

Usage Cgroups::usage(const std::string& group) const {
  const auto file = [&](const char* controller, const char* name) {
    const auto* tree = tree_of(controller);
    return tree == nullptr ? std::string() : tree->mount + group + "/" + name;
  };
  Usage out;
  const Counters memory(file("memory", "memory.stat"));
  if (v2_) {
    const auto microseconds = Counters(file("cpu", "cpu.stat")).get("usage_usec");
    out.cpu_ns = microseconds < 0 ? -1 : microseconds * 1000;
    out.memory = read_number(file("memory", "memory.current"));
    out.rss = memory.get("anon");
  } else {
    out.cpu_ns = read_number(file("cpuacct", "cpuacct.usage"));
    out.memory = read_number(file("memory", "memory.usage_in_bytes"));
    out.rss = memory.get("total_rss");
  }
  const auto idle = std::max<std::int64_t>(0, memory.get(v2_ ? "inactive_file" : "total_inactive_file"));
  out.working_set = out.memory < 0 ? -1 : std::max<std::int64_t>(0, out.memory - idle);
  out.processes = read_number(file("pids", "pids.current"));
  out.page_faults = memory.get(v2_ ? "pgfault" : "total_pgfault");
  out.major_page_faults = memory.get(v2_ ? "pgmajfault" : "total_pgmajfault");
  return out;
}

rt::Task<std::vector<PodUsage>> RuncRuntime::usage() {
  UsageWork work{{}, settings_.cgroups};
  for (const auto& [id, sandbox] : sandboxes_) {
    if (!sandbox->status.ready) continue;
    PodUsage pod;
    pod.uid = sandbox->status.pod_uid;
    pod.ns = sandbox->status.pod_ns;
    pod.name = sandbox->status.pod_name;
    pod.cgroup = settings_.cgroups.path(sandbox->config.cgroup_parent);
    for (const auto& [container_id, container] : sandbox->containers) {
      const auto& status = container->status;
      if (status.state == ContainerState::kRunning)
        pod.containers.push_back({status.id, status.name, container->cgroup, status.started_at, {}});
    }
    work.pods.push_back(std::move(pod));
  }
  co_return co_await pool_.run(std::move(work));
}

}  // namespace mk::kubelet
