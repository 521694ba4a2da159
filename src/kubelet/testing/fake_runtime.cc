#include "testing/fake_runtime.h"

#include <algorithm>

#include "mk/base/strings.h"

namespace mk::kubelet {

namespace {
Error unknown(const std::string& id) {
  return Error(Reason::kNotFound, "no such container or sandbox: " + id);
}
}  // namespace

void FakeRuntime::notify(const std::string& pod_uid) {
  if (handler_) handler_(pod_uid);
}

ContainerStatus* FakeRuntime::container(const std::string& id) {
  for (auto& [uid, pod] : pods_)
    for (auto& status : pod.containers)
      if (status.id == id) return &status;
  return nullptr;
}

void FakeRuntime::end(ContainerStatus& status, int exit_code) {
  if (status.state != ContainerState::kRunning && status.state != ContainerState::kCreated) return;
  status.state = ContainerState::kExited;
  status.exit_code = exit_code;
  status.finished_at = clock_.now();
  notify(status.pod_uid);
}

void FakeRuntime::finish(const std::string& pod_uid, const std::string& name, int exit_code) {
  for (auto& status : pods_[pod_uid].containers)
    if (status.name == name && status.state == ContainerState::kRunning) return end(status, exit_code);
}

void FakeRuntime::kill_sandbox(const std::string& pod_uid) {
  auto& pod = pods_[pod_uid];
  pod.sandbox.ready = false;
  for (auto& status : pod.containers) end(status, 137);
  notify(pod_uid);
}

rt::Task<std::vector<PodSnapshot>> FakeRuntime::snapshot() {
  std::vector<PodSnapshot> out;
  for (const auto& [uid, pod] : pods_) out.push_back(pod);
  co_return out;
}

rt::Task<std::optional<PodSnapshot>> FakeRuntime::pod(std::string pod_uid) {
  co_await rt::yield();
  const auto found = pods_.find(pod_uid);
  if (found == pods_.end()) co_return std::nullopt;
  co_return found->second;
}

rt::Task<Result<SandboxStatus>> FakeRuntime::run_sandbox(SandboxConfig config) {
  calls.push_back("sandbox " + config.pod_name + (config.handler.empty() ? "" : " by " + config.handler));
  auto& pod = pods_[config.pod_uid];
  const auto attempt = attempts_[config.pod_uid]++;
  pod.sandbox = SandboxStatus{
      config.pod_uid + "-" + std::to_string(attempt),      config.pod_uid, config.pod_ns, config.pod_name,
      {"10.42.0." + std::to_string(attempts_.size() + 1)}, clock_.now(),   true,          attempt};
  if (config.host_network) pod.sandbox.ips.clear();
  co_return pod.sandbox;
}

rt::Task<Result<void>> FakeRuntime::stop_sandbox(std::string sandbox_id) {
  calls.push_back("stop sandbox");
  for (auto& [uid, pod] : pods_) {
    if (pod.sandbox.id != sandbox_id) continue;
    pod.sandbox.ready = false;
    for (auto& status : pod.containers) end(status, 137);
  }
  co_return ok();
}

rt::Task<Result<void>> FakeRuntime::remove_sandbox(std::string sandbox_id) {
  std::erase_if(pods_, [&](const auto& entry) { return entry.second.sandbox.id == sandbox_id; });
  co_return ok();
}

rt::Task<Result<std::string>> FakeRuntime::create_container(std::string sandbox_id, ContainerConfig config) {
  for (auto& [uid, pod] : pods_) {
    if (pod.sandbox.id != sandbox_id) continue;
    ContainerStatus status;
    status.id = uid + "-" + config.name + "-" + std::to_string(config.attempt);
    status.sandbox_id = sandbox_id;
    status.pod_uid = uid;
    status.name = config.name;
    status.image_id = config.image_id;
    status.attempt = config.attempt;
    status.state = ContainerState::kCreated;
    status.created_at = clock_.now();
    status.log_path = config.log_path;
    pod.containers.push_back(status);
    configs[config.name] = std::move(config);
    co_return status.id;
  }
  co_return unknown(sandbox_id);
}

rt::Task<Result<void>> FakeRuntime::start_container(std::string id) {
  ContainerStatus* status = container(id);
  if (status == nullptr) co_return unknown(id);
  calls.push_back("start " + status->name);
  if (cannot_start.count(status->name) != 0)
    co_return Error(Reason::kInternalError, "executable file not found in $PATH");
  status->state = ContainerState::kRunning;
  status->started_at = clock_.now();
  if (const auto exit = exits_at_once.find(status->name); exit != exits_at_once.end())
    end(*status, exit->second);
  else
    notify(status->pod_uid);
  co_return ok();
}

rt::Task<Result<void>> FakeRuntime::stop_container(std::string id, rt::Duration grace) {
  ContainerStatus* status = container(id);
  if (status == nullptr) co_return ok();
  const std::string name = status->name;
  calls.push_back("stop " + name);
  int code = 143;
  if (ignores_signal.count(name) != 0) {
    co_await clock_.sleep_for(grace);
    code = 137;
  }
  if (ContainerStatus* again = container(id)) end(*again, code);
  co_return ok();
}

rt::Task<Result<void>> FakeRuntime::remove_container(std::string id) {
  for (auto& [uid, pod] : pods_)
    std::erase_if(pod.containers, [&](const ContainerStatus& status) { return status.id == id; });
  co_return ok();
}

rt::Task<Result<void>> FakeRuntime::update_resources(std::string id, LinuxResources resources) {
  const ContainerStatus* status = container(id);
  if (status == nullptr) co_return unknown(id);
  calls.push_back("resize " + status->name + " shares=" + std::to_string(resources.cpu_shares) +
                  " memory=" + std::to_string(resources.memory_limit));
  co_return ok();
}

rt::Task<Result<void>> FakeRuntime::update_sandbox_resources(std::string, LinuxResources resources) {
  calls.push_back("resize pod shares=" + std::to_string(resources.cpu_shares) +
                  " memory=" + std::to_string(resources.memory_limit));
  co_return ok();
}

rt::Task<Result<ExecResult>> FakeRuntime::exec_sync(std::string id, std::vector<std::string> argv,
                                                    rt::Duration) {
  const ContainerStatus* status = container(id);
  if (status == nullptr || status->state != ContainerState::kRunning) co_return unknown(id);
  calls.push_back("exec " + status->name + " " + join(argv, " "));
  co_return exec_answer ? exec_answer(id, argv) : ExecResult();
}

rt::Task<Result<std::unique_ptr<ExecSession>>> FakeRuntime::exec(std::string id, ExecOptions) {
  co_return unknown(id);
}
rt::Task<Result<std::unique_ptr<ExecSession>>> FakeRuntime::attach(std::string id, ExecOptions) {
  co_return unknown(id);
}
rt::Task<std::vector<PodUsage>> FakeRuntime::usage() {
  co_return used;
}
rt::Task<Result<rt::AsyncFd>> FakeRuntime::dial(std::string sandbox_id, int) {
  co_return unknown(sandbox_id);
}

void FakeImages::add(const std::string& name) {
  ImageInfo info;
  info.id = "sha256:" + name;
  info.names = {name};
  info.command = {"/run"};
  info.size = 1000;
  images_[name] = std::move(info);
}

std::optional<ImageInfo> FakeImages::find(const std::string& reference) const {
  const auto found = images_.find(reference);
  if (found == images_.end()) return std::nullopt;
  return found->second;
}

std::vector<ImageInfo> FakeImages::list() const {
  std::vector<ImageInfo> out;
  for (const auto& [name, info] : images_) out.push_back(info);
  return out;
}

rt::Task<Result<ImageInfo>> FakeImages::pull(std::string reference, std::vector<RegistryAuth>) {
  ++pulls;
  if (in_registry.count(reference) == 0)
    co_return Error(Reason::kNotFound, "no such image in the registry: " + reference);
  add(reference);
  co_return images_[reference];
}

rt::Task<Result<std::vector<ImageInfo>>> FakeImages::import(std::string, std::string) {
  co_return std::vector<ImageInfo>();
}

rt::Task<Result<void>> FakeImages::remove(std::string id) {
  std::erase_if(images_, [&](const auto& entry) { return entry.second.id == id; });
  co_return ok();
}

rt::Task<Result<void>> FakeImages::mount(std::string id, std::string path) {
  mounts.push_back(id + " on " + path);
  co_return ok();
}

rt::Task<Result<void>> FakeNetwork::configure(PodNetworkConfig wanted) {
  config = std::move(wanted);
  co_return ok();
}

rt::Task<Result<void>> FakeNetwork::set_peers(std::vector<PeerNode> list) {
  peers = std::move(list);
  co_return ok();
}

rt::Task<Result<void>> FakeNetwork::tear_down() {
  config = {};
  co_return ok();
}

}  // namespace mk::kubelet
