#include "runtime/spec.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>

#include "images/walk.h"
#include "mk/base/strings.h"
#include "runtime/seccomp.h"

namespace mk::kubelet {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;

constexpr const char* kMasked[] = {"/proc/asound",
                                   "/proc/acpi",
                                   "/proc/kcore",
                                   "/proc/keys",
                                   "/proc/latency_stats",
                                   "/proc/timer_list",
                                   "/proc/timer_stats",
                                   "/proc/sched_debug",
                                   "/proc/scsi",
                                   "/sys/firmware",
                                   "/sys/devices/virtual/powercap",
                                   "/proc/interrupts"};
constexpr const char* kReadonly[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                                     "/proc/sysrq-trigger"};
constexpr const char* kNone = "-";  // see SecurityContext in the door

JsonArray strings(const std::vector<std::string>& values) {
  JsonArray out;
  for (const auto& value : values) out.emplace_back(value);
  return out;
}

JsonObject mount(const std::string& target, const std::string& type, const std::string& source,
                 const std::vector<std::string>& options) {
  JsonObject out;
  out["destination"] = target;
  out["type"] = type;
  out["source"] = source;
  out["options"] = strings(options);
  return out;
}

JsonArray system_mounts(const SpecInputs& in) {
  const std::string access = in.container.security.privileged ? "rw" : "ro";
  JsonArray out;
  out.push_back(mount("/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}));
  out.push_back(mount("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}));
  out.push_back(mount("/dev/pts", "devpts", "devpts",
                      {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}));
  out.push_back(mount("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}));
  out.push_back(mount("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", access}));
  out.push_back(
      mount("/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", "relatime", access}));
  out.push_back(mount("/dev/shm", "bind", in.shm, {"rbind", "rw", "nosuid", "nodev", "noexec"}));
  return out;
}

Result<JsonArray> all_mounts(const SpecInputs& in) {
  JsonArray out = system_mounts(in);
  auto mounts = in.container.mounts;
  // Parents before what lies below them, whatever order they were given in.
  std::stable_sort(mounts.begin(), mounts.end(), [](const Mount& a, const Mount& b) {
    return std::count(a.container_path.begin(), a.container_path.end(), '/') <
           std::count(b.container_path.begin(), b.container_path.end(), '/');
  });
  for (const auto& item : mounts) {
    if (!item.container_path.starts_with('/') || !item.host_path.starts_with('/'))
      return Error(Reason::kInvalid, "mount path \"" + item.container_path + "\" must be absolute");
    // What the caller mounts over the system's own mounts replaces them.
    for (auto it = out.begin(); it != out.end();)
      it = api::str(*it, "destination") == item.container_path ? out.erase(it) : std::next(it);
    const char* propagation = item.propagation == "Bidirectional"     ? "rshared"
                              : item.propagation == "HostToContainer" ? "rslave"
                                                                      : "rprivate";
    out.push_back(mount(item.container_path, "bind", item.host_path,
                        {"rbind", item.read_only ? "ro" : "rw", propagation}));
  }
  return out;
}

JsonArray namespaces(const SpecInputs& in) {
  JsonArray out;
  const auto own = "/proc/" + std::to_string(in.supervisor) + "/ns/";
  const auto add = [&](const char* type, const std::string& path) {
    JsonObject item;
    item["type"] = type;
    if (!path.empty()) item["path"] = path;
    out.push_back(std::move(item));
  };
  add("mount", "");
  if (!in.pod.host_network) {
    add("network", own + "net");
    add("uts", own + "uts");
  }
  if (!in.pod.host_ipc) add("ipc", own + "ipc");
  if (in.pid_namespace > 0)
    add("pid", "/proc/" + std::to_string(in.pid_namespace) + "/ns/pid");
  else if (!in.pod.host_pid)
    add("pid", "");
  return out;
}

void add_devices(const std::string& folder, JsonArray& out) {
  for (const auto& name : names_in(folder)) {
    const std::string path = folder + "/" + name;
    struct stat info;
    if (path == "/dev/pts" || path == "/dev/shm" || path == "/dev/mqueue" || path == "/dev/console" ||
        ::lstat(path.c_str(), &info) != 0)
      continue;
    if (S_ISDIR(info.st_mode)) add_devices(path, out);
    if (!S_ISCHR(info.st_mode) && !S_ISBLK(info.st_mode)) continue;
    JsonObject device;
    device["path"] = path;
    device["type"] = S_ISCHR(info.st_mode) ? "c" : "b";
    device["major"] = ::major(info.st_rdev);
    device["minor"] = ::minor(info.st_rdev);
    device["fileMode"] = info.st_mode & 07777;
    device["uid"] = info.st_uid;
    device["gid"] = info.st_gid;
    out.push_back(std::move(device));
  }
}

template <std::size_t N>
JsonArray paths(const std::vector<std::string>& wanted, const char* const (&defaults)[N], bool privileged) {
  JsonArray out;
  if (privileged || (wanted.size() == 1 && wanted[0] == kNone)) return out;
  if (!wanted.empty()) return strings(wanted);
  for (const char* path : defaults) out.emplace_back(path);
  return out;
}

Result<JsonObject> linux_part(const SpecInputs& in) {
  const auto& security = in.container.security;
  JsonObject out;
  out["namespaces"] = namespaces(in);
  out["cgroupsPath"] = in.cgroup;
  Json resources = resources_json(in.container.resources);
  JsonObject rule;
  rule["allow"] = security.privileged;
  rule["access"] = "rwm";
  resources.get_object()["devices"] = JsonArray{Json(std::move(rule))};
  out["resources"] = std::move(resources);
  out["maskedPaths"] = paths(security.masked_paths, kMasked, security.privileged);
  out["readonlyPaths"] = paths(security.readonly_paths, kReadonly, security.privileged);
  if (security.privileged) {
    JsonArray devices;
    add_devices("/dev", devices);
    out["devices"] = std::move(devices);
  }
  const auto propagated = [](const Mount& item) { return item.propagation == "Bidirectional"; };
  if (std::any_of(in.container.mounts.begin(), in.container.mounts.end(), propagated))
    out["rootfsPropagation"] = "rshared";
  else if (std::any_of(in.container.mounts.begin(), in.container.mounts.end(),
                       [](const Mount& m) { return m.propagation == "HostToContainer"; }))
    out["rootfsPropagation"] = "rslave";
  if (!security.privileged && !security.seccomp.empty()) {
    MK_ASSIGN(Json profile, seccomp_profile(security));
    if (!profile.is_null()) out["seccomp"] = std::move(profile);
  }
  return out;
}

bool has_variable(const std::vector<std::string>& env, std::string_view name) {
  return std::any_of(env.begin(), env.end(), [&](const std::string& item) {
    return item.size() > name.size() && item.starts_with(name) && item[name.size()] == '=';
  });
}

JsonArray environment(const SpecInputs& in) {
  std::vector<std::string> out = in.container.env;
  if (!has_variable(out, "PATH"))
    out.push_back("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
  if (!has_variable(out, "HOSTNAME") && !in.pod.hostname.empty())
    out.push_back("HOSTNAME=" + in.pod.hostname);
  if (in.container.tty && !has_variable(out, "TERM")) out.push_back("TERM=xterm");
  return strings(out);
}

Result<JsonObject> process_part(const SpecInputs& in) {
  const auto& container = in.container;
  if (container.argv.empty())
    return Error(Reason::kInvalid, "container \"" + container.name +
                                       "\" has no command: neither its image nor the pod gives one");
  MK_ASSIGN(const auto names, container_capabilities(container.security, in.host));
  JsonObject capabilities;
  for (const char* set : {"bounding", "effective", "permitted"}) capabilities[set] = strings(names);
  JsonObject user;
  user["uid"] = in.user.uid;
  user["gid"] = in.user.gid;
  JsonArray groups;
  for (const auto group : in.user.groups) groups.emplace_back(group);
  user["additionalGids"] = std::move(groups);
  JsonObject out;
  out["terminal"] = container.tty;
  out["user"] = std::move(user);
  out["args"] = strings(container.argv);
  out["env"] = environment(in);
  out["cwd"] = container.working_dir.empty() ? "/" : container.working_dir;
  out["capabilities"] = std::move(capabilities);
  out["noNewPrivileges"] = container.security.no_new_privileges;
  int score = container.oom_score_adj;
  if (!in.host.may_raise_limits) score = std::max(score, in.host.oom_score_adj);
  out["oomScoreAdj"] = score;
  return out;
}

}  // namespace

api::Json resources_json(const LinuxResources& resources) {
  JsonObject cpu, memory, out;
  if (resources.cpu_shares > 0) cpu["shares"] = resources.cpu_shares;
  if (resources.cpu_quota_us > 0) {
    cpu["quota"] = resources.cpu_quota_us;
    cpu["period"] = resources.cpu_period_us;
  }
  if (resources.memory_limit > 0) {
    memory["limit"] = resources.memory_limit;
    memory["swap"] =
        resources.memory_limit;  // together with memory: no swap; and v1 refuses one without the other
  }
  if (!cpu.empty()) out["cpu"] = std::move(cpu);
  if (!memory.empty()) out["memory"] = std::move(memory);
  if (resources.pids_limit > 0) out["pids"] = JsonObject{{"limit", resources.pids_limit}};
  return out;
}

Result<Json> build_spec(const SpecInputs& in) {
  JsonObject out;
  out["ociVersion"] = "1.0.2";
  MK_ASSIGN(out["process"], process_part(in));
  JsonObject root;
  root["path"] = in.rootfs;
  root["readonly"] = in.container.security.read_only_root;
  out["root"] = std::move(root);
  MK_ASSIGN(out["mounts"], all_mounts(in));
  MK_ASSIGN(out["linux"], linux_part(in));
  return Json(std::move(out));
}

Json build_exec_process(const Json& config, const std::vector<std::string>& argv, bool tty) {
  JsonObject out = api::object(config, "process");
  out["args"] = strings(argv);
  out["terminal"] = tty;
  if (tty) out["env"].as_array().emplace_back("TERM=xterm");
  return out;
}

}  // namespace mk::kubelet
