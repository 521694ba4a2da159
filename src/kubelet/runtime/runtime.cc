#include "runtime/runtime.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>

#include "mk/base/files.h"
#include "mk/base/log.h"
#include "mk/base/strings.h"
#include "mk/rt/process.h"
#include "runtime/rootfs.h"
#include "runtime/spec.h"

namespace mk::kubelet {
namespace {

constexpr Log kLog("kubelet");

Error no_container(const std::string& id) {
  return Error(Reason::kNotFound, "no container " + id);
}

// "msg" of the last error in runc's JSON log.
std::string last_message(const std::string& log_file) {
  std::string out;
  const auto text = read_file(log_file);
  if (!text.ok()) return out;
  for (const auto line : split(*text, '\n')) {
    const auto json = api::parse_json(line);
    if (json.ok() && api::str(*json, "level") == "error") out = api::str(*json, "msg");
  }
  return out;
}

// What of a bundle is built on a thread; owns all it needs.
struct BundleWork {
  ContainerConfig config;
  SandboxConfig pod;
  HostLimits host;
  std::string layers_dir, rootfs, bundle, cgroup, shm;
  std::vector<std::string> layers;
  int supervisor = 0, pid_namespace = 0;

  Result<void> operator()() const {
    MK_TRY(make_dirs(bundle, 0700));
    MK_TRY(mount_rootfs(rootfs, layers_dir, layers));
    SpecInputs inputs(config, pod);
    inputs.host = host;
    inputs.rootfs = rootfs + "/rootfs";
    inputs.cgroup = cgroup;
    inputs.shm = shm;
    inputs.supervisor = supervisor;
    inputs.pid_namespace = pid_namespace;
    MK_ASSIGN(inputs.user, resolve_user(config.security, read_in_root(inputs.rootfs, "etc/passwd"),
                                        read_in_root(inputs.rootfs, "etc/group")));
    MK_ASSIGN(const api::Json spec, build_spec(inputs));
    return replace_file(bundle + "/config.json", api::to_json(spec));
  }
};

}  // namespace

RuncRuntime::RuncRuntime(rt::Loop& loop, rt::Clock& clock, rt::BlockingPool& pool, LocalImages& images,
                         PodAttachments* network, Settings settings)
    : loop_(loop),
      clock_(clock),
      pool_(pool),
      images_(images),
      network_(network),
      settings_(std::move(settings)),
      host_(read_host_limits()),
      group_(loop.executor()) {
  images_.in_use = [this](const std::string& image) {
    for (const auto& [id, sandbox] : sandboxes_)
      for (const auto& [container_id, container] : sandbox->containers)
        if (container->status.image_id == image) return true;
    return false;
  };
}

RuncRuntime::~RuncRuntime() {
  images_.in_use = nullptr;
  for (auto& [id, sandbox] : sandboxes_) sandbox->link.reset();
}

// --- looking

RuncRuntime::Found RuncRuntime::find(const std::string& id) const {
  for (const auto& [sandbox_id, sandbox] : sandboxes_)
    if (const auto found = sandbox->containers.find(id); found != sandbox->containers.end())
      return {sandbox, found->second};
  return {};
}

RuncRuntime::Sandbox RuncRuntime::latest(const std::string& pod_uid) const {
  Sandbox out;
  for (const auto& [id, sandbox] : sandboxes_)
    if (sandbox->status.pod_uid == pod_uid && (!out || sandbox->status.attempt > out->status.attempt))
      out = sandbox;
  return out;
}

// The latest sandbox, with the containers of earlier ones too: their exit codes and logs still matter.
PodSnapshot RuncRuntime::snapshot_of(const SandboxRecord& newest) const {
  PodSnapshot out{newest.status, {}, {}};
  for (const auto& [id, sandbox] : sandboxes_) {
    if (sandbox->status.pod_uid != newest.status.pod_uid) continue;
    if (sandbox.get() != &newest) out.older.push_back(id);
    for (const auto& [container_id, container] : sandbox->containers) {
      out.containers.push_back(container->status);
      out.containers.back().writable_layer = rootfs_folder(container_id) + "/upper";
    }
  }
  return out;
}

rt::Task<std::vector<PodSnapshot>> RuncRuntime::snapshot() {
  std::vector<PodSnapshot> out;
  for (const auto& [id, sandbox] : sandboxes_)
    if (latest(sandbox->status.pod_uid) == sandbox) out.push_back(snapshot_of(*sandbox));
  co_return out;
}

rt::Task<std::optional<PodSnapshot>> RuncRuntime::pod(std::string pod_uid) {
  const auto sandbox = latest(pod_uid);
  if (!sandbox) co_return std::nullopt;
  co_return snapshot_of(*sandbox);
}

void RuncRuntime::notify(const SandboxRecord& sandbox) const {
  if (changed_) changed_(sandbox.status.pod_uid);
}

std::string RuncRuntime::container_folder(const SandboxRecord& sandbox, const std::string& id) const {
  return sandbox.folder + "/containers/" + id;
}

std::string RuncRuntime::rootfs_folder(const std::string& id) const {
  return settings_.options.data_dir + "/containers/" + id;
}

Result<std::string> RuncRuntime::program(const std::string& handler) const {
  if (handler.empty()) return settings_.runc;
  const auto found = settings_.handlers.find(handler);
  if (found != settings_.handlers.end()) return found->second;
  return Error(Reason::kInvalid,
               "failed to get sandbox runtime: no runtime for \"" + handler + "\" is configured");
}

Error RuncRuntime::runc_error(const Error& error, const std::string& log_file) const {
  if (error.is(Reason::kServiceUnavailable)) return error;
  const std::string said = last_message(log_file);
  return Error(Reason::kInternalError, said.empty() ? error.message() : said);
}

// --- containers

rt::Task<Result<void>> RuncRuntime::build_bundle(Sandbox sandbox, Container container,
                                                 ContainerConfig config) {
  const auto layers = images_.layer_folders(config.image_id);
  if (!layers) co_return Error(Reason::kNotFound, "image " + config.image_id + " is not on this node");
  BundleWork work;
  work.config = std::move(config);
  work.pod = sandbox->config;
  work.host = host_;
  work.layers_dir = images_.layers_dir();
  work.layers = *layers;
  work.rootfs = rootfs_folder(container->status.id);
  work.bundle = container_folder(*sandbox, container->status.id);
  work.cgroup = container->cgroup;
  work.shm = sandbox->config.host_ipc ? "/dev/shm" : sandbox->folder + "/shm";
  work.supervisor = sandbox->supervisor;
  work.pid_namespace = sandbox->pid_namespace;
  if (!work.config.pid_target.empty()) {
    const auto target = sandbox->containers.find(work.config.pid_target);
    if (target == sandbox->containers.end() || target->second->pid <= 0)
      co_return Error(Reason::kConflict, "the container to share processes with does not run");
    work.pid_namespace = target->second->pid;
  }
  co_return co_await pool_.run(std::move(work));
}

rt::Task<Result<std::string>> RuncRuntime::create_container(std::string sandbox_id, ContainerConfig config) {
  const auto found = sandboxes_.find(sandbox_id);
  if (found == sandboxes_.end()) co_return Error(Reason::kNotFound, "no sandbox " + sandbox_id);
  const Sandbox sandbox = found->second;
  if (!sandbox->link)
    co_return Error(Reason::kServiceUnavailable, "sandbox " + sandbox_id + " is not running");
  auto container = std::make_shared<ContainerRecord>();
  auto& status = container->status;
  status.id = std::string(
      digest_hex(sha256_digest(sandbox_id + "/" + config.name + "/" + std::to_string(config.attempt))));
  if (sandbox->containers.count(status.id) != 0)
    co_return Error(Reason::kAlreadyExists,
                    "container " + config.name + " attempt " + std::to_string(config.attempt) + " exists");
  status.sandbox_id = sandbox_id;
  status.pod_uid = sandbox->status.pod_uid;
  status.name = config.name;
  status.image_id = config.image_id;
  status.attempt = config.attempt;
  status.state = ContainerState::kCreated;
  status.created_at = clock_.now();
  status.log_path = config.log_path;
  container->cgroup = settings_.cgroups.path(sandbox->config.cgroup_parent, status.id);
  container->tty = config.tty;
  container->has_stdin = config.stdin;
  container->stop_signal = config.stop_signal;
  sandbox->containers[status.id] = container;  // from now on its image is in use
  const std::string id = status.id, folder = container_folder(*sandbox, id);
  std::string flags;
  if (config.stdin) flags += config.stdin_once ? "io" : "i";
  if (config.tty) flags += "t";
  std::vector<std::string> create = {"create",        id,    folder,
                                     config.log_path, flags, settings_.cgroups.oom_file(container->cgroup)};
  auto result = co_await build_bundle(sandbox, container, std::move(config));
  if (result.ok()) result = save(*sandbox, *container);
  if (result.ok() && !sandbox->link)
    result = Error(Reason::kServiceUnavailable, "the pod's supervisor is gone");
  if (result.ok()) {
    auto answer = co_await sandbox->link->request(std::move(create));
    if (!answer.ok())
      result = runc_error(answer.error(), folder + "/runc.log");
    else if (!answer->results.empty())
      container->pid = static_cast<int>(parse_int(answer->results[0]).value_or(0));
  }
  if (!result.ok()) {
    co_await drop_container(sandbox, container);
    co_return std::move(result).error().wrap("create container " + container->status.name);
  }
  co_return id;
}

rt::Task<Result<void>> RuncRuntime::start_container(std::string id) {
  const auto [sandbox, container] = find(id);
  if (!container) co_return no_container(id);
  if (!sandbox->link) co_return Error(Reason::kServiceUnavailable, "the pod's supervisor is gone");
  std::vector<std::string> request = {"start", id};
  auto answer = co_await sandbox->link->request(std::move(request));
  if (!answer.ok())
    co_return runc_error(answer.error(), container_folder(*sandbox, id) + "/runc.log")
        .wrap("start container " + container->status.name);
  co_return ok();
}

rt::Task<bool> RuncRuntime::wait_exit(Container container, rt::Duration limit) {
  const auto deadline = clock_.mono() + limit;
  while (container->running()) {
    if (clock_.mono() >= deadline) co_return false;
    co_await rt::race(container->changed.wait(), clock_.sleep_until(deadline));
  }
  co_return true;
}

rt::Task<Result<void>> RuncRuntime::stop_container(std::string id, rt::Duration grace) {
  const auto [sandbox, container] = find(id);
  if (!container || !container->running()) co_return ok();
  const auto signal_it = [&](int number) -> std::vector<std::string> {
    return {"kill", id, std::to_string(number)};
  };
  bool gone = false;
  if (grace > rt::Duration::zero() && sandbox->link) {
    auto request = signal_it(container->stop_signal);
    (void)co_await sandbox->link->request(std::move(request));
    gone = co_await wait_exit(container, grace);
  }
  if (!gone && sandbox->link) {
    auto request = signal_it(SIGKILL);
    (void)co_await sandbox->link->request(std::move(request));
  }
  // What of it lives in a shared pid namespace does not go with its main process.
  auto work = [cgroups = settings_.cgroups, group = container->cgroup] { cgroups.kill_all(group); };
  if (!gone || sandbox->config.share_processes || sandbox->config.host_pid)
    co_await pool_.run(std::move(work));
  if (!co_await wait_exit(container, std::chrono::seconds(30)))
    co_return Error(Reason::kTimeout, "container " + id + " does not end, even by SIGKILL");
  co_return ok();
}

// Removes what there is of a container that does not run (any more).
rt::Task<> RuncRuntime::forget(Sandbox sandbox, std::string id) {
  if (!sandbox->link) co_return;
  std::vector<std::string> request = {"forget", std::move(id)};
  (void)co_await sandbox->link->request(std::move(request));
}

rt::Task<> RuncRuntime::drop_container(Sandbox sandbox, Container container) {
  const std::string id = container->status.id;
  // First, as it ends a runc that is making the container right now; and last, when it runs no longer.
  co_await forget(sandbox, id);
  auto work = [runc = program(sandbox->config.handler).value_or(settings_.runc),
               root = settings_.options.run_dir + "/runc", id, rootfs = rootfs_folder(id),
               folder = container_folder(*sandbox, id), cgroups = settings_.cgroups,
               group = container->cgroup]() -> Result<void> {
    if (file_exists(root + "/" + id)) {
      cgroups.kill_all(group);
      const rt::Command command({runc, "--root", root, "delete", "--force", id});
      MK_TRY(rt::run_process_blocking(command));
    }
    MK_TRY(remove_rootfs(rootfs));
    return remove_tree(folder);
  };
  const auto removed = co_await pool_.run(std::move(work));
  if (!removed.ok())
    kLog.warn("container not wholly removed", "container", id, "error", removed.error().message());
  co_await forget(sandbox, id);
  sandbox->containers.erase(id);
}

rt::Task<Result<void>> RuncRuntime::remove_container(std::string id) {
  const auto [sandbox, container] = find(id);
  if (!container) co_return ok();
  if (container->running()) {
    auto stopped = co_await stop_container(id, rt::Duration::zero());
    if (!stopped.ok()) co_return stopped;
  }
  co_await drop_container(sandbox, container);
  co_return ok();
}

rt::Task<Result<void>> RuncRuntime::update_resources(std::string id, LinuxResources resources) {
  const auto [sandbox, container] = find(id);
  if (!container) co_return no_container(id);
  rt::Command command({program(sandbox->config.handler).value_or(settings_.runc), "--root",
                       settings_.options.run_dir + "/runc", "update", "--resources", "-", id});
  command.input = api::to_json(resources_json(resources));
  auto result = co_await rt::run_process(pool_, std::move(command));
  if (!result.ok()) co_return std::move(result).error();
  if (!result->success())
    co_return Error(Reason::kInvalid,
                    "change the resources of container " + id + ": " + std::string(trim(result->err)));
  co_return ok();
}

rt::Task<Result<void>> RuncRuntime::update_sandbox_resources(std::string sandbox_id,
                                                             LinuxResources resources) {
  const auto found = sandboxes_.find(sandbox_id);
  if (found == sandboxes_.end()) co_return Error(Reason::kNotFound, "no sandbox " + sandbox_id);
  auto work = [cgroups = settings_.cgroups, parent = found->second->config.cgroup_parent, resources] {
    return cgroups.update_pod(parent, resources);
  };
  co_return co_await pool_.run(std::move(work));
}

}  // namespace mk::kubelet
