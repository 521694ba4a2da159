#include <sys/stat.h>

#include "images/fs.h"
#include "images/walk.h"
#include "mk/base/files.h"
#include "mk/base/log.h"
#include "mk/base/strings.h"
#include "runtime/rootfs.h"
#include "runtime/runtime.h"
#include "supervisor/image.h"

namespace mk::kubelet {
namespace {

constexpr Log kLog("kubelet");
constexpr int kExitUnknown = 137;  // killed, as far as anybody can tell

struct FolderWork {
  std::string run_dir, data_dir;

  // A reboot has ended everything, but on some systems /run keeps its files.
  Result<void> operator()() const {
    MK_TRY(make_dirs(run_dir, 0711));
    MK_ASSIGN(const std::string boot, read_file("/proc/sys/kernel/random/boot_id"));
    const auto last = read_file(run_dir + "/boot_id");
    if (!last.ok() || *last != boot) {
      MK_TRY(remove_tree(run_dir + "/pods"));
      MK_TRY(remove_tree(run_dir + "/runc"));
      MK_TRY(remove_tree(data_dir + "/containers"));
      MK_TRY(write_file(run_dir + "/boot_id", boot));
    }
    MK_TRY(make_dirs(run_dir + "/pods", 0711));
    MK_TRY(make_dirs(run_dir + "/runc", 0700));
    return make_dirs(data_dir + "/containers", 0711);
  }
};

}  // namespace

rt::Task<Result<void>> RuncRuntime::start() {
  FolderWork folders{settings_.options.run_dir, settings_.options.data_dir};
  auto prepared = co_await pool_.run(std::move(folders));
  if (!prepared.ok()) co_return prepared;
  MK_CO_ASSIGN(supervisor_, place_supervisor(settings_.options.run_dir));
  for (const auto& name : names_in(settings_.options.run_dir + "/pods"))
    co_await adopt(settings_.options.run_dir + "/pods/" + name);
  sweep_rootfs();
  // What the pods of an earlier life had may be in the kernel still, though they have ended meanwhile.
  bool any_ports = false;
  for (const auto& [id, sandbox] : sandboxes_) any_ports |= !sandbox->config.ports.empty();
  if (network_ != nullptr && any_ports)
    if (auto put = co_await network_->set_host_ports(host_ports()); !put.ok())
      kLog.warn("host ports are not up to date", "error", put.error().message());
  co_return ok();
}

rt::Task<> RuncRuntime::adopt(std::string folder) {
  auto loaded = load_sandbox(folder);
  if (!loaded.ok()) {  // made so far only that nothing can be running in it
    unmount(folder + "/shm");
    if (auto removed = remove_tree(folder); !removed.ok())
      kLog.warn("cannot delete", "path", folder, "error", removed.error().message());
    co_return;
  }
  auto sandbox = std::make_shared<SandboxRecord>(std::move(*loaded));
  sandboxes_[sandbox->status.id] = sandbox;
  for (const auto& id : names_in(folder + "/containers")) {
    auto container = load_container(folder + "/containers/" + id);
    if (!container.ok()) continue;
    (*container)->status.state = ContainerState::kUnknown;
    read_exit_record(folder + "/containers/" + id, (*container)->status);
    sandbox->containers[(*container)->status.id] = *container;
  }
  if (connect(sandbox).ok()) {
    std::vector<std::string> request = {"list"};  // the events it brings fill in the states
    auto listed = co_await sandbox->link->request(std::move(request));
    // A crash while it was made left a record without the supervisor's pid, or without an address.
    const bool whole = sandbox->supervisor != 0 && (!sandbox->networked || !sandbox->status.ips.empty());
    sandbox->status.ready = listed.ok() && whole;
    std::vector<Container> unknown;
    for (const auto& [id, container] : sandbox->containers)
      if (container->status.state == ContainerState::kUnknown) unknown.push_back(container);
    for (const auto& container : unknown)
      co_await drop_container(sandbox, container);  // never got as far as runc
    if (listed.ok()) co_return;
  }
  co_await supervisor_lost(sandbox);
}

Result<void> RuncRuntime::connect(const Sandbox& sandbox) {
  MK_ASSIGN(sandbox->link, PodLink::connect(loop_.executor(), sandbox->folder));
  const std::weak_ptr<SandboxRecord> weak = sandbox;
  sandbox->link->on_event = [this, weak](const std::vector<std::string>& fields) {
    if (const auto alive = weak.lock()) on_event(alive, fields);
  };
  sandbox->link->on_closed = [this, weak] {
    if (const auto alive = weak.lock()) group_.spawn("supervisor lost", supervisor_lost(alive));
  };
  sandbox->link->listen(group_);
  // Its answer is not waited for: it precedes all other answers.
  group_.spawn("watch", [](Sandbox watched) -> rt::Task<> {
    std::vector<std::string> request = {"watch"};
    (void)co_await watched->link->request(std::move(request));
  }(sandbox));
  return ok();
}

// "container <id> <state> <pid> <exit code> <signal> <oom> <started> <finished>"
void RuncRuntime::on_event(const Sandbox& sandbox, const std::vector<std::string>& fields) {
  if (fields.size() < 9 || fields[0] != "container") return;
  const auto found = sandbox->containers.find(fields[1]);
  if (found == sandbox->containers.end()) return;
  const auto container = found->second;
  const auto number = [&](std::size_t i) { return parse_int(fields[i]).value_or(0); };
  auto& status = container->status;
  status.state = fields[2] == "exited"    ? ContainerState::kExited
                 : fields[2] == "running" ? ContainerState::kRunning
                                          : ContainerState::kCreated;
  container->pid = static_cast<int>(number(3));
  status.exit_code = static_cast<int>(number(4));
  status.signal = static_cast<int>(number(5));
  status.oom_killed = number(6) != 0;
  if (number(7) > 0) status.started_at = rt::WallTime(rt::Duration(number(7)));
  if (number(8) > 0) status.finished_at = rt::WallTime(rt::Duration(number(8)));
  container->changed.notify_all();
  notify(*sandbox);
}

// Without its supervisor nobody keeps a pod's logs and exit codes: what is left of it ends.
rt::Task<> RuncRuntime::supervisor_lost(Sandbox sandbox) {
  sandbox->link.reset();
  if (sandbox->status.ready)
    kLog.error("a pod's supervisor died, its containers are killed", "sandbox", sandbox->status.id);
  sandbox->status.ready = false;
  std::vector<std::string> groups;
  for (const auto& [id, container] : sandbox->containers) groups.push_back(container->cgroup);
  auto work = [cgroups = settings_.cgroups, groups] {
    for (const auto& group : groups) cgroups.kill_all(group);
  };
  co_await pool_.run(std::move(work));
  for (const auto& [id, container] : sandbox->containers) {
    auto& status = container->status;
    if (status.state == ContainerState::kExited || read_exit_record(container_folder(*sandbox, id), status))
      continue;
    status.state = ContainerState::kExited;
    status.exit_code = kExitUnknown;
    status.signal = 9;
    status.finished_at = clock_.now();
    container->changed.notify_all();
  }
  notify(*sandbox);
}

// Root file systems of containers that no record claims: a crash came between.
void RuncRuntime::sweep_rootfs() {
  for (const auto& id : names_in(settings_.options.data_dir + "/containers")) {
    if (find(id).container) continue;
    if (auto removed = remove_rootfs(rootfs_folder(id)); !removed.ok())
      kLog.warn("cannot delete an orphaned container", "container", id, "error", removed.error().message());
  }
}

}  // namespace mk::kubelet
