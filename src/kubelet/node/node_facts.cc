#include "node/node_facts.h"

#include <dirent.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "mk/base/files.h"
#include "mk/base/strings.h"

namespace mk::kubelet {

namespace {

std::string line_of(const std::string& path) {
  return std::string(trim(read_file(path).value_or("")));
}

// "MemTotal:  123 kB" of /proc/meminfo, in bytes.
std::int64_t meminfo(const std::string& content, std::string_view name) {
  for (const auto line : split(content, '\n')) {
    if (line.substr(0, name.size()) != name || line.size() <= name.size() || line[name.size()] != ':')
      continue;
    auto rest = trim(line.substr(name.size() + 1));
    return parse_int(rest.substr(0, rest.find(' '))).value_or(0) * 1024;
  }
  return 0;
}

std::string os_release_name() {
  const std::string content = read_file("/etc/os-release").value_or("");
  for (const auto line : split(content, '\n')) {
    constexpr std::string_view kKey = "PRETTY_NAME=";
    if (line.substr(0, kKey.size()) != kKey) continue;
    auto value = line.substr(kKey.size());
    if (value.size() >= 2 && value.front() == '"') value = value.substr(1, value.size() - 2);
    return std::string(value);
  }
  return "Linux";
}

std::string go_architecture(const std::string& machine) {
  if (machine == "x86_64") return "amd64";
  if (machine == "aarch64") return "arm64";
  if (machine.substr(0, 3) == "arm") return "arm";
  return machine;
}

std::int64_t hugepages(const char* size_kb, std::int64_t size) {
  const auto count =
      parse_int(line_of(std::string("/sys/kernel/mm/hugepages/hugepages-") + size_kb + "kB/nr_hugepages"));
  return count.value_or(0) * size;
}

// The nearest existing directory: the data directory may not have been made yet.
bool stat_volume(std::string path, struct statvfs& out) {
  while (::statvfs(path.c_str(), &out) != 0) {
    const auto slash = path.rfind('/');
    if (slash == std::string::npos || path == "/") return false;
    path = slash == 0 ? "/" : path.substr(0, slash);
  }
  return true;
}

}  // namespace

NodeFacts read_node_facts(const std::string& data_dir, int max_pods) {
  NodeFacts out;
  const long cpus = ::sysconf(_SC_NPROCESSORS_ONLN);
  out.capacity.cpu_milli = (cpus > 0 ? cpus : 1) * 1000;
  out.capacity.memory = meminfo(read_file("/proc/meminfo").value_or(""), "MemTotal");
  out.capacity.pods = max_pods;
  struct statvfs volume;
  if (stat_volume(data_dir, volume))
    out.capacity.ephemeral_storage = static_cast<std::int64_t>(volume.f_blocks * volume.f_frsize);
  out.hugepages_1gi = hugepages("1048576", std::int64_t(1) << 30);
  out.hugepages_2mi = hugepages("2048", std::int64_t(2) << 20);
  out.machine_id = line_of("/etc/machine-id");
  if (out.machine_id.empty()) out.machine_id = line_of("/var/lib/dbus/machine-id");
  out.system_uuid = line_of("/sys/class/dmi/id/product_uuid");
  if (out.system_uuid.empty()) out.system_uuid = out.machine_id;
  out.boot_id = line_of("/proc/sys/kernel/random/boot_id");
  utsname name{};
  ::uname(&name);
  out.kernel_version = name.release;
  out.architecture = go_architecture(name.machine);
  out.os_image = os_release_name();
  return out;
}

}  // namespace mk::kubelet
