#include "runtime/cgroups.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "images/fs.h"
#include "images/walk.h"
#include "mk/base/files.h"
#include "mk/base/strings.h"

namespace mk::kubelet {
namespace {

constexpr int kKillRounds = 200;

Result<void> set(const std::string& file, const std::string& value) {
  const UniqueFd fd(::open(file.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd || ::write(fd.get(), value.data(), value.size()) < 0)
    return sys_error("write " + value + " to", file);
  return ok();
}

// Parents appear before children, children go before parents.
void remove_groups(const std::string& folder) {
  struct stat info;
  for (const auto& name : names_in(folder))
    if (::lstat((folder + "/" + name).c_str(), &info) == 0 && S_ISDIR(info.st_mode))
      remove_groups(folder + "/" + name);
  ::rmdir(folder.c_str());
}

std::size_t kill_below(const std::string& folder) {
  std::size_t found = 0;
  if (const auto processes = read_file(folder + "/cgroup.procs"); processes.ok())
    for (const auto line : split(*processes, '\n'))
      if (const auto pid = parse_int(line); pid && *pid > 1)
        ::kill(static_cast<pid_t>(*pid), SIGKILL), ++found;
  struct stat info;
  for (const auto& name : names_in(folder))
    if (::lstat((folder + "/" + name).c_str(), &info) == 0 && S_ISDIR(info.st_mode))
      found += kill_below(folder + "/" + name);
  return found;
}

// The v2 weight (1..10000) that runc and the kubelet use for a v1 share (2..262144).
std::int64_t weight_of(std::int64_t shares) {
  return 1 + (std::clamp<std::int64_t>(shares, 2, 262144) - 2) * 9999 / 262142;
}

}  // namespace

Result<Cgroups> Cgroups::detect(const std::string& root_cgroup) {
  Cgroups out;
  std::string root = root_cgroup;
  while (root.starts_with('/')) root.erase(0, 1);
  while (root.ends_with('/')) root.pop_back();
  if (("/" + root + "/").find("/../") != std::string::npos)
    return Error(Reason::kInvalid, "--root-cgroup must not contain ..");
  out.root_ = root.empty() ? "" : "/" + root;
  MK_ASSIGN(const std::string mounts, read_file("/proc/self/mounts"));
  for (const auto line : split(mounts, '\n')) {
    const auto fields = split(line, ' ');
    if (fields.size() < 4 || (fields[2] != "cgroup" && fields[2] != "cgroup2")) continue;
    Tree tree;
    tree.mount = fields[1];
    for (const auto option : split(fields[3], ',')) tree.controllers.emplace_back(option);
    out.v2_ |= fields[2] == "cgroup2" && tree.mount == "/sys/fs/cgroup";
    out.trees_.push_back(std::move(tree));
  }
  if (out.trees_.empty())
    return Error(Reason::kNotFound,
                 "no cgroups are mounted: mount cgroup2 on /sys/fs/cgroup (or start systemd)");
  return out;
}

const Cgroups::Tree* Cgroups::tree_of(const std::string& controller) const {
  if (v2_) return &trees_.front();
  for (const auto& tree : trees_)
    if (std::find(tree.controllers.begin(), tree.controllers.end(), controller) != tree.controllers.end())
      return &tree;
  return nullptr;
}

std::string Cgroups::path(const std::string& parent, const std::string& leaf) const {
  return root_ + (parent.empty() ? "" : "/" + parent) + (leaf.empty() ? "" : "/" + leaf);
}

Result<void> Cgroups::make_v1(const std::string& path, const LinuxResources& resources) const {
  const auto put = [&](const char* controller, const char* file, std::int64_t value) -> Result<void> {
    const auto* tree = tree_of(controller);
    if (tree == nullptr || value == 0) return ok();
    MK_TRY(make_dirs(tree->mount + path));
    return set(tree->mount + path + "/" + file, std::to_string(value));
  };
  MK_TRY(put("cpu", "cpu.shares", resources.cpu_shares));
  if (resources.cpu_quota_us > 0) MK_TRY(put("cpu", "cpu.cfs_period_us", resources.cpu_period_us));
  MK_TRY(put("cpu", "cpu.cfs_quota_us", resources.cpu_quota_us));
  MK_TRY(put("memory", "memory.limit_in_bytes", resources.memory_limit));
  return put("pids", "pids.max", resources.pids_limit);
}

Result<void> Cgroups::make_v2(const std::string& path, const LinuxResources& resources) const {
  // Each group hands its controllers down before the next one can use them.
  std::string so_far = trees_.front().mount;
  for (const auto part : split(std::string_view(path).substr(1), '/')) {
    for (const char* controller : {"cpu", "cpuset", "memory", "pids", "io"})
      (void)set(so_far + "/cgroup.subtree_control",
                std::string("+") + controller);  // absent ones are refused
    so_far += "/" + std::string(part);
    MK_TRY(make_dirs(so_far));
  }
  if (resources.cpu_shares > 0)
    MK_TRY(set(so_far + "/cpu.weight", std::to_string(weight_of(resources.cpu_shares))));
  if (resources.cpu_quota_us > 0)
    MK_TRY(set(so_far + "/cpu.max",
               std::to_string(resources.cpu_quota_us) + " " + std::to_string(resources.cpu_period_us)));
  if (resources.memory_limit > 0) MK_TRY(set(so_far + "/memory.max", std::to_string(resources.memory_limit)));
  if (resources.pids_limit > 0) MK_TRY(set(so_far + "/pids.max", std::to_string(resources.pids_limit)));
  return ok();
}

Result<void> Cgroups::make_pod(const std::string& parent, const LinuxResources& resources) const {
  return v2_ ? make_v2(path(parent), resources) : make_v1(path(parent), resources);
}

Result<void> Cgroups::update_pod(const std::string& parent, const LinuxResources& resources) const {
  const auto put = [&](const char* controller, const char* file, const std::string& value) -> Result<void> {
    const auto* tree = tree_of(controller);
    if (tree == nullptr) return ok();
    return set(tree->mount + path(parent) + "/" + file, value);
  };
  const auto& [shares, quota, period, memory, pids] = resources;
  const bool cpu_limited = quota > 0, memory_limited = memory > 0;
  if (v2_) {
    if (shares > 0) MK_TRY(put("cpu", "cpu.weight", std::to_string(weight_of(shares))));
    MK_TRY(
        put("cpu", "cpu.max", (cpu_limited ? std::to_string(quota) : "max") + " " + std::to_string(period)));
    return put("memory", "memory.max", memory_limited ? std::to_string(memory) : "max");
  }
  if (shares > 0) MK_TRY(put("cpu", "cpu.shares", std::to_string(shares)));
  if (cpu_limited) MK_TRY(put("cpu", "cpu.cfs_period_us", std::to_string(period)));
  MK_TRY(put("cpu", "cpu.cfs_quota_us", std::to_string(cpu_limited ? quota : -1)));
  return put("memory", "memory.limit_in_bytes", std::to_string(memory_limited ? memory : -1));
}

void Cgroups::remove_node() const {
  for (const auto& tree : trees_) {
    remove_groups(tree.mount + path("kubepods"));
    if (!root_.empty()) ::rmdir((tree.mount + root_).c_str());
  }
}

// A group is busy for a moment after its last process was killed.
Result<void> Cgroups::remove_pod(const std::string& parent) const {
  MK_ASSERT(!parent.empty());
  for (const auto& tree : trees_) {
    const std::string group = tree.mount + path(parent);
    for (int round = 0; file_exists(group); ++round) {
      if (round == kKillRounds) return Error(Reason::kInternalError, "cannot remove the cgroup " + group);
      if (round > 0) std::this_thread::sleep_for(std::chrono::milliseconds(10));
      remove_groups(group);
    }
  }
  return ok();
}

void Cgroups::kill_all(const std::string& group) const {
  if (v2_ && set(trees_.front().mount + group + "/cgroup.kill", "1").ok()) return;
  for (int round = 0; round < kKillRounds; ++round) {
    std::size_t found = 0;
    for (const auto& tree : trees_) found = std::max(found, kill_below(tree.mount + group));
    if (found == 0) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

std::string Cgroups::oom_file(const std::string& group) const {
  const auto* tree = tree_of("memory");
  if (tree == nullptr) return "";
  return tree->mount + group + (v2_ ? "/memory.events" : "/memory.oom_control");
}

}  // namespace mk::kubelet
