#include "mk/kubelet/node_runtime.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>

#include "images/store.h"
#include "mk/base/files.h"
#include "mk/base/strings.h"
#include "network/bridge_network.h"
#include "runtime/runtime.h"

namespace mk::kubelet {
namespace {

// Absolute: runc changes its working directory, and a supervisor outlives our PATH.
Result<std::string> find_program(const std::string& name) {
  if (name.find('/') != std::string::npos) {
    if (name.starts_with('/') && ::access(name.c_str(), X_OK) == 0) return name;
    return Error(Reason::kNotFound, "cannot run " + name + ": give an absolute path of an executable");
  }
  const char* path = std::getenv("PATH");
  const std::string folders =
      std::string(path == nullptr ? "" : path) + ":/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin";
  for (const auto folder : split(folders, ':')) {
    std::string candidate = std::string(folder) + "/" + name;
    if (folder.starts_with('/') && ::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return Error(Reason::kNotFound, name + " is not installed: install it (Debian: apt install " + name +
                                      ") to run containers on this node");
}

Result<void> check_node(const NodeRuntimeOptions& options) {
  if (::geteuid() != 0) return Error(Reason::kInvalid, "running containers needs root");
  const auto filesystems = read_file("/proc/filesystems");
  if (filesystems.ok() && filesystems->find("\toverlay\n") == std::string::npos &&
      !file_exists("/sys/module/overlay"))
    return Error(
        Reason::kNotFound,
        "this kernel has no overlayfs (yet): run `modprobe overlay`, or use a kernel with CONFIG_OVERLAY_FS");
  for (const auto& folder : {options.data_dir, options.run_dir}) {
    if (!folder.starts_with('/'))
      return Error(Reason::kInvalid, "the folder \"" + folder + "\" must be an absolute path");
    // Parts of them end up in mount options and socket addresses.
    if (folder.find_first_of(":, ") != std::string::npos)
      return Error(Reason::kInvalid, "the folder \"" + folder + "\" must not contain ':', ',' or blanks");
    MK_TRY(make_dirs(folder));
    if (::access(folder.c_str(), W_OK) != 0) return Error(Reason::kInvalid, folder + " is not writable");
  }
  return ok();
}

}  // namespace

Result<NodeRuntime> make_node_runtime(rt::Loop& loop, rt::Clock& clock, rt::BlockingPool& pool,
                                      NodeRuntimeOptions options) {
  MK_TRY(check_node(options));
  MK_ASSIGN(const std::string runc, find_program(options.runc));
  std::map<std::string, std::string> handlers{{"runc", runc}};
  if (auto crun = find_program("crun"); crun.ok()) handlers["crun"] = *crun;
  for (const auto& [handler, program] : options.handlers) {
    MK_ASSIGN(handlers[handler], find_program(program));
  }
  MK_ASSIGN(Cgroups cgroups, Cgroups::detect(options.root_cgroup));
  MK_ASSIGN(Registries registries, Registries::load(options.registries_yaml));
  auto images = std::make_unique<LocalImages>(loop, options.data_dir, std::move(registries));
  MK_TRY(images->open());
  auto network = std::make_unique<BridgeNetwork>(pool, options.data_dir);
  RuncRuntime::Settings settings{std::move(options), runc, std::move(handlers), std::move(cgroups)};
  NodeRuntime out;
  out.containers =
      std::make_unique<RuncRuntime>(loop, clock, pool, *images, network.get(), std::move(settings));
  out.images = std::move(images);
  out.network = std::move(network);
  return out;
}

}  // namespace mk::kubelet
