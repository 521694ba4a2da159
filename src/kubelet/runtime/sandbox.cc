#include <fcntl.h>
#include <sys/stat.h>

#include "images/fs.h"
#include "mk/base/files.h"
#include "mk/base/log.h"
#include "mk/base/strings.h"
#include "mk/rt/process.h"
#include "runtime/rootfs.h"
#include "runtime/runtime.h"

namespace mk::kubelet {
namespace {

constexpr Log kLog("kubelet");

// What of a sandbox is made on a thread; owns all it needs.
struct SandboxWork {
  SandboxConfig config;
  std::string folder, program, runc, root;
  std::int64_t log_size;
  int log_files;
  Cgroups cgroups;

  std::vector<std::string> arguments() const {
    std::vector<std::string> out = {program,
                                    "--folder=" + folder,
                                    "--runc=" + runc,
                                    "--root=" + root,
                                    "--log-size=" + std::to_string(log_size),
                                    "--log-files=" + std::to_string(log_files)};
    if (!config.host_network) {
      out.insert(out.end(), {"--net", "--uts", "--hostname=" + config.hostname});
      // As containerd does: no capability is needed for low ports and for ping.
      out.push_back("--sysctl=net.ipv4.ip_unprivileged_port_start=0");
      out.push_back("--sysctl=net.ipv4.ping_group_range=0 2147483647");
    }
    if (!config.host_ipc) out.push_back("--ipc");
    if (config.share_processes) out.push_back("--pid");
    for (const auto& [name, value] : config.sysctls) out.push_back("--sysctl=" + name + "=" + value);
    return out;
  }

  Result<void> operator()() const {
    MK_TRY(make_dirs(folder + "/containers", 0700));
    MK_TRY(cgroups.make_pod(config.cgroup_parent, config.resources));
    if (!config.host_ipc) MK_TRY(mount_shm(folder + "/shm"));
    rt::Command command(arguments());
    command.timeout = std::chrono::seconds(20);
    MK_ASSIGN(const auto result, rt::run_process_blocking(command));
    if (!result.success())
      return Error(Reason::kInternalError,
                   "the pod's supervisor did not start: " + std::string(trim(result.err)));
    return ok();
  }
};

// Namespaced sysctls only: any other would change the whole node.
Result<void> check_sysctls(const SandboxConfig& config) {
  for (const auto& [name, value] : config.sysctls) {
    const bool net = name.starts_with("net.") || name.starts_with("net/");
    const bool ipc = name.starts_with("kernel.shm") || name.starts_with("kernel.msg") ||
                     name == "kernel.sem" || name.starts_with("fs.mqueue.");
    if (!net && !ipc) return Error(Reason::kInvalid, "sysctl \"" + name + "\" is not separate for each pod");
    if ((net && config.host_network) || (ipc && config.host_ipc))
      return Error(Reason::kInvalid, "sysctl \"" + name + "\" is not allowed with the host's namespace");
  }
  return ok();
}

Result<void> read_pids(SandboxRecord& sandbox) {
  MK_ASSIGN(const std::string text, read_file(sandbox.folder + "/supervisor.pid"));
  const auto fields = split(trim(text), ' ');
  sandbox.supervisor = static_cast<int>(parse_int(fields[0]).value_or(0));
  sandbox.pid_namespace = fields.size() > 1 ? static_cast<int>(parse_int(fields[1]).value_or(0)) : 0;
  return ok();
}

}  // namespace

std::vector<HostPort> RuncRuntime::host_ports() const {
  std::vector<HostPort> out;
  for (const auto& [id, sandbox] : sandboxes_)
    if (sandbox->networked && !sandbox->status.ips.empty())
      for (const auto& port : sandbox->config.ports) out.push_back({port, sandbox->status.ips.front()});
  return out;
}

rt::Task<Result<void>> RuncRuntime::make_sandbox(Sandbox sandbox) {
  const auto& options = settings_.options;
  MK_CO_ASSIGN(const std::string runc, program(sandbox->config.handler));
  SandboxWork work{sandbox->config,           sandbox->folder,    supervisor_,         runc,
                   options.run_dir + "/runc", settings_.log_size, settings_.log_files, settings_.cgroups};
  // The record first: whatever is made from here on is found again after a crash.
  MK_CO_TRY(make_dirs(sandbox->folder, 0700));
  MK_CO_TRY(save(*sandbox));
  auto made = co_await pool_.run(std::move(work));
  if (!made.ok()) co_return made;
  MK_CO_TRY(read_pids(*sandbox));
  MK_CO_TRY(connect(sandbox));
  if (!sandbox->config.host_network && network_ != nullptr) {
    sandbox->networked = true;
    MK_CO_TRY(save(*sandbox));
    auto ip = co_await network_->attach(sandbox->status.id, sandbox->supervisor);
    if (!ip.ok()) co_return std::move(ip).error();
    sandbox->status.ips = {*ip};
    if (!sandbox->config.ports.empty()) MK_CO_TRY(co_await network_->set_host_ports(host_ports()));
  }
  MK_CO_TRY(save(*sandbox));
  if (!sandbox->link) co_return Error(Reason::kServiceUnavailable, "the pod's supervisor has died");
  sandbox->status.ready = true;
  co_return ok();
}

rt::Task<Result<SandboxStatus>> RuncRuntime::run_sandbox(SandboxConfig config) {
  MK_CO_TRY(check_sysctls(config));
  MK_CO_TRY(program(config.handler));
  if (!config.host_users)
    co_return Error(
        Reason::kInvalid,
        "this node cannot run pods in user namespaces (hostUsers: false): mk does not map their files yet");
  if (config.cgroup_parent.empty() || config.pod_uid.empty() || config.pod_uid.find('/') != std::string::npos)
    co_return Error(Reason::kInvalid, "a sandbox needs a pod uid and a cgroup");
  const auto previous = latest(config.pod_uid);
  if (previous && previous->status.ready)
    co_return Error(Reason::kAlreadyExists, "pod " + config.pod_uid + " has a running sandbox");
  auto sandbox = std::make_shared<SandboxRecord>();
  auto& status = sandbox->status;
  status.attempt = previous ? previous->status.attempt + 1 : 0;
  status.id = config.pod_uid + "-" + std::to_string(status.attempt);
  status.pod_uid = config.pod_uid;
  status.pod_ns = config.pod_ns;
  status.pod_name = config.pod_name;
  status.created_at = clock_.now();
  sandbox->config = std::move(config);
  sandbox->folder = settings_.options.run_dir + "/pods/" + status.id;
  sandboxes_[status.id] = sandbox;
  auto made = co_await make_sandbox(sandbox);
  if (!made.ok()) {
    auto removed = co_await remove_sandbox(status.id);
    if (!removed.ok())
      kLog.warn("failed sandbox not wholly removed", "sandbox", status.id, "error",
                removed.error().message());
    co_return std::move(made).error().wrap("run sandbox of " + status.pod_ns + "/" + status.pod_name);
  }
  co_return sandbox->status;
}

rt::Task<Result<void>> RuncRuntime::kill_containers(Sandbox sandbox) {
  std::vector<std::string> ids;
  for (const auto& [id, container] : sandbox->containers) ids.push_back(id);
  for (const auto& id : ids) {
    auto stopped = co_await stop_container(id, rt::Duration::zero());
    if (!stopped.ok()) co_return stopped;
  }
  co_return ok();
}

rt::Task<Result<void>> RuncRuntime::stop_sandbox(std::string sandbox_id) {
  const auto found = sandboxes_.find(sandbox_id);
  if (found == sandboxes_.end()) co_return ok();
  const Sandbox sandbox = found->second;
  sandbox->status.ready = false;
  auto killed = co_await kill_containers(sandbox);
  if (!killed.ok()) co_return killed;
  if (sandbox->networked && network_ != nullptr) {
    auto detached = co_await network_->detach(sandbox_id);
    if (!detached.ok()) co_return detached;
    sandbox->networked = false;
    MK_CO_TRY(save(*sandbox));
    if (!sandbox->config.ports.empty()) MK_CO_TRY(co_await network_->set_host_ports(host_ports()));
  }
  if (sandbox->link) {
    const auto link = std::move(sandbox->link);  // its end is no surprise now
    std::vector<std::string> request = {"quit"};
    (void)co_await link->request(std::move(request));
  }
  auto work = [folder = sandbox->folder] { unmount(folder + "/shm"); };
  co_await pool_.run(std::move(work));
  co_return ok();
}

rt::Task<Result<void>> RuncRuntime::remove_sandbox(std::string sandbox_id) {
  auto stopped = co_await stop_sandbox(sandbox_id);
  if (!stopped.ok()) co_return stopped;
  const auto found = sandboxes_.find(sandbox_id);
  if (found == sandboxes_.end()) co_return ok();
  const Sandbox sandbox = found->second;
  std::vector<Container> containers;
  for (const auto& [id, container] : sandbox->containers) containers.push_back(container);
  for (const auto& container : containers) co_await drop_container(sandbox, container);
  bool shared = false;  // the pod's next sandbox uses the same groups
  for (const auto& [id, other] : sandboxes_)
    shared |= other != sandbox && other->config.cgroup_parent == sandbox->config.cgroup_parent;
  auto work = [cgroups = settings_.cgroups, parent = sandbox->config.cgroup_parent, folder = sandbox->folder,
               shared]() -> Result<void> {
    if (!shared) cgroups.kill_all(cgroups.path(parent));
    if (!shared) MK_TRY(cgroups.remove_pod(parent));
    return remove_tree(folder);
  };
  auto removed = co_await pool_.run(std::move(work));
  if (!removed.ok()) co_return removed;
  sandboxes_.erase(sandbox_id);
  co_return ok();
}

}  // namespace mk::kubelet
