#include "stats/node_usage.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>

#include "mk/base/files.h"
#include "mk/base/strings.h"

namespace mk::kubelet {

namespace {

// "Name:   123 kB" in bytes, 0 when it is not there.
std::int64_t field_of(std::string_view meminfo, std::string_view name) {
  for (const auto line : split(meminfo, '\n')) {
    if (!line.starts_with(name) || line.size() <= name.size() || line[name.size()] != ':') continue;
    auto value = trim(line.substr(name.size() + 1));
    return parse_int(value.substr(0, value.find(' '))).value_or(0) * 1024;
  }
  return 0;
}

}  // namespace

// user nice system idle iowait irq softirq steal: all but idle and iowait.
std::int64_t cpu_ns_of(std::string_view proc_stat, std::int64_t ticks_per_second) {
  const auto line = proc_stat.substr(0, proc_stat.find('\n'));
  std::int64_t ticks = 0;
  int index = -1;
  for (const auto field : split(line, ' ')) {
    if (field.empty()) continue;
    if (++index > 0 && index <= 8 && index != 4 && index != 5) ticks += parse_int(field).value_or(0);
  }
  return ticks * (1'000'000'000 / std::max<std::int64_t>(1, ticks_per_second));
}

Usage memory_of(std::string_view meminfo, std::int64_t& total) {
  Usage out;
  total = field_of(meminfo, "MemTotal");
  out.memory = total - field_of(meminfo, "MemFree");
  out.working_set = std::max<std::int64_t>(0, out.memory - field_of(meminfo, "Inactive(file)"));
  out.rss = field_of(meminfo, "AnonPages");
  return out;
}

NodeUsage read_node_usage(const std::string& data_dir) {
  NodeUsage out;
  out.usage = memory_of(read_file("/proc/meminfo").value_or(""), out.memory_total);
  out.usage.cpu_ns = cpu_ns_of(read_file("/proc/stat").value_or(""), ::sysconf(_SC_CLK_TCK));
  struct statvfs files;
  if (::statvfs(data_dir.c_str(), &files) == 0) {
    const auto block = static_cast<std::int64_t>(files.f_frsize);
    out.files = {static_cast<std::int64_t>(files.f_blocks) * block,
                 static_cast<std::int64_t>(files.f_bavail) * block, static_cast<std::int64_t>(files.f_files),
                 static_cast<std::int64_t>(files.f_favail)};
  }
  return out;
}

}  // namespace mk::kubelet
