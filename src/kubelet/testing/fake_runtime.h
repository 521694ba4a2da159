#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "mk/kubelet/node_runtime.h"

// A node in memory, for tests: containers that run until told to end, images that are there or are not.
namespace mk::kubelet {

class FakeRuntime : public ContainerRuntime {
 public:
  explicit FakeRuntime(rt::Clock& clock) : clock_(clock) {}

  // What a test does to the node.
  void finish(const std::string& pod_uid, const std::string& container, int exit_code);
  void kill_sandbox(const std::string& pod_uid);
  void notify(const std::string& pod_uid);
  std::map<std::string, int> exits_at_once;  // container name to exit code
  std::set<std::string> cannot_start;        // container names whose program does not exist
  std::set<std::string> ignores_signal;      // container names that only SIGKILL ends
  std::function<ExecResult(const std::string& id, const std::vector<std::string>& argv)> exec_answer;
  std::vector<PodUsage> used;                      // what usage() answers
  std::vector<std::string> calls;                  // "start web", "stop web", "exec web sh -c ..." in order
  std::map<std::string, ContainerConfig> configs;  // by container name, the last one

  rt::Task<Result<void>> start() override { co_return ok(); }
  rt::Task<std::vector<PodSnapshot>> snapshot() override;
  rt::Task<std::optional<PodSnapshot>> pod(std::string pod_uid) override;
  void on_change(std::function<void(const std::string&)> handler) override { handler_ = std::move(handler); }
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
  ContainerStatus* container(const std::string& id);
  void end(ContainerStatus& status, int exit_code);

  rt::Clock& clock_;
  std::function<void(const std::string&)> handler_;
  std::map<std::string, PodSnapshot> pods_;  // by uid
  std::map<std::string, std::uint32_t> attempts_;
};

class FakeImages : public ImageStore {
 public:
  void add(const std::string& name);  // is on the node
  std::set<std::string> in_registry;  // can be pulled
  int pulls = 0;

  std::optional<ImageInfo> find(const std::string& reference) const override;
  std::vector<ImageInfo> list() const override;
  rt::Task<Result<ImageInfo>> pull(std::string reference, std::vector<RegistryAuth> credentials) override;
  rt::Task<Result<std::vector<ImageInfo>>> import(std::string path, std::string name) override;
  rt::Task<Result<void>> remove(std::string id) override;
  rt::Task<Result<void>> mount(std::string id, std::string path) override;
  std::vector<std::string> mounts;  // "<id> on <path>"

 private:
  std::map<std::string, ImageInfo> images_;
};

class FakeNetwork : public PodNetwork {
 public:
  rt::Task<Result<void>> configure(PodNetworkConfig config) override;
  bool ready() const override { return !config.pod_cidr.empty(); }
  std::string vtep_mac() const override { return ready() ? "02:00:00:00:00:01" : ""; }
  rt::Task<Result<void>> set_peers(std::vector<PeerNode> list) override;
  rt::Task<Result<void>> tear_down() override;

  PodNetworkConfig config;
  std::vector<PeerNode> peers;
};

}  // namespace mk::kubelet
