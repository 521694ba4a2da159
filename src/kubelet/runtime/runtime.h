#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "images/store.h"
#include "mk/kubelet/node_runtime.h"
#include "mk/rt/blocking.h"
#include "mk/rt/clock.h"
#include "mk/rt/group.h"
#include "network/pod_network.h"
#include "runtime/capabilities.h"
#include "runtime/cgroups.h"
#include "runtime/records.h"

namespace mk::kubelet {

// ContainerRuntime with runc, overlayfs and one supervisor per pod. All state lives in the supervisors and
// under <run dir>/pods, so that this object can die at any instant and another one finds everything again:
//   <run dir>/boot_id, runc/ (runc's state), mk-supervisor-<hash>
//   <run dir>/pods/<sandbox id>/{sandbox.json, supervisor.pid, s, shm/}
//   <run dir>/pods/<sandbox id>/containers/<id>/{container.json, config.json, pid, exit, runc.log}
//   <data dir>/containers/<id>/{upper, work, rootfs}
// Lives on the loop's thread.
class RuncRuntime final : public ContainerRuntime {
 public:
  struct Settings {
    NodeRuntimeOptions options;
    std::string runc;                             // absolute
    std::map<std::string, std::string> handlers;  // more of them, by handler
    Cgroups cgroups;
    std::int64_t log_size = 10 << 20;
    int log_files = 5;
  };
  // `images` and `network` (may be nullptr: pods get no address) outlive it.
  RuncRuntime(rt::Loop& loop, rt::Clock& clock, rt::BlockingPool& pool, LocalImages& images,
              PodAttachments* network, Settings settings);
  ~RuncRuntime() override;

  rt::Task<Result<void>> start() override;
  rt::Task<std::vector<PodSnapshot>> snapshot() override;
  rt::Task<std::optional<PodSnapshot>> pod(std::string pod_uid) override;
  void on_change(std::function<void(const std::string&)> handler) override { changed_ = std::move(handler); }

  rt::Task<Result<SandboxStatus>> run_sandbox(SandboxConfig config) override;
  rt::Task<Result<void>> stop_sandbox(std::string sandbox_id) override;
  rt::Task<Result<void>> remove_sandbox(std::string sandbox_id) override;

  rt::Task<Result<std::string>> create_container(std::string sandbox_id, ContainerConfig config) override;
  rt::Task<Result<void>> start_container(std::string id) override;
  rt::Task<Result<void>> stop_container(std::string id, rt::Duration grace) override;
  rt::Task<Result<void>> remove_container(std::string id) override;
  rt::Task<Result<void>> update_resources(std::string id, LinuxResources resources) override;
  rt::Task<Result<void>> update_sandbox_resources(std::string sandbox_id, LinuxResources resources) override;

  rt::Task<Result<ExecResult>> exec_sync(std::string id, std::vector<std::string> argv,
                                         rt::Duration timeout) override;
  rt::Task<Result<std::unique_ptr<ExecSession>>> exec(std::string id, ExecOptions options) override;
  rt::Task<Result<std::unique_ptr<ExecSession>>> attach(std::string id, ExecOptions options) override;
  rt::Task<std::vector<PodUsage>> usage() override;
  rt::Task<Result<rt::AsyncFd>> dial(std::string sandbox_id, int port) override;

 private:
  using Sandbox = std::shared_ptr<SandboxRecord>;
  using Container = std::shared_ptr<ContainerRecord>;
  struct Found {
    Sandbox sandbox;
    Container container;
  };

  // adopt.cc
  rt::Task<> adopt(std::string folder);
  Result<void> connect(const Sandbox& sandbox);
  void on_event(const Sandbox& sandbox, const std::vector<std::string>& fields);
  rt::Task<> supervisor_lost(Sandbox sandbox);
  void sweep_rootfs();

  // sandbox.cc
  rt::Task<Result<void>> make_sandbox(Sandbox sandbox);
  rt::Task<Result<void>> kill_containers(Sandbox sandbox);
  std::vector<HostPort> host_ports() const;

  Found find(const std::string& id) const;
  Sandbox latest(const std::string& pod_uid) const;
  PodSnapshot snapshot_of(const SandboxRecord& sandbox) const;
  void notify(const SandboxRecord& sandbox) const;
  std::string container_folder(const SandboxRecord& sandbox, const std::string& id) const;
  // kInvalid for a handler that this node does not have.
  Result<std::string> program(const std::string& handler) const;
  std::string rootfs_folder(const std::string& id) const;
  Error runc_error(const Error& error, const std::string& log_file) const;
  rt::Task<Result<void>> build_bundle(Sandbox sandbox, Container container, ContainerConfig config);
  static rt::Task<> forget(Sandbox sandbox, std::string id);
  rt::Task<> drop_container(Sandbox sandbox, Container container);
  // False when it has not exited within the time.
  rt::Task<bool> wait_exit(Container container, rt::Duration limit);

  rt::Loop& loop_;
  rt::Clock& clock_;
  rt::BlockingPool& pool_;
  LocalImages& images_;
  PodAttachments* network_;
  Settings settings_;
  HostLimits host_;
  std::string supervisor_;                    // path of its program
  std::map<std::string, Sandbox> sandboxes_;  // by id
  std::function<void(const std::string&)> changed_;
  std::uint64_t next_exec_ = 1;
  rt::Group group_;
};

}  // namespace mk::kubelet
