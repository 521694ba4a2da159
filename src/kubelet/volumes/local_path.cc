#include "volumes/local_path.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "mk/api/volume_matching.h"
#include "mk/base/files.h"
#include "mk/base/log.h"
#include "volumes/mounter.h"

namespace mk::kubelet {

using namespace api::volume;

namespace {

constexpr Log kLog("kubelet");
constexpr auto kRetry = std::chrono::seconds(5);

client::ListOptions of_node(const std::string& node) {
  client::ListOptions out;
  out.label_selector = fmt::format("{}={}", kLocalPathNode, node);
  return out;
}

bool has_finalizer(const api::Object& volume, std::string_view wanted) {
  const auto& names = api::list(volume.json(), "metadata.finalizers");
  return std::any_of(names.begin(), names.end(), [wanted](const Json& name) {
    return name.is_string() && std::string_view(name.get_string()) == wanted;
  });
}

// Nobody uses it: the volume is on its way out, and what holds it while a claim has it is gone.
bool to_be_removed(const api::Object& volume) {
  return volume.deleting() && has_finalizer(volume, kLocalPathFinalizer) &&
         !has_finalizer(volume, "kubernetes.io/pv-protection");
}

}  // namespace

Result<void> make_local_path(const std::string& path) {
  if (file_exists(path)) return ok();
  MK_TRY(make_dirs(path.substr(0, path.rfind('/'))));
  if (::mkdir(path.c_str(), 0777) != 0 && errno != EEXIST)
    return Error(Reason::kInternalError, "mkdir " + path + ": " + std::strerror(errno));
  ::chmod(path.c_str(), 0777);  // whatever our umask is
  return ok();
}

bool below_folder(const std::string& folder, const std::string& path) {
  if (folder.empty() || path.rfind(folder + "/", 0) != 0) return false;
  const std::string name = path.substr(folder.size() + 1);
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos;
}

LocalPaths::LocalPaths(Context& context)
    : context_(context),
      volumes_(context.client, context.clock, context.random, kVolumes, "",
               of_node(context.options.node_name)) {
  volumes_.on_change([this](const api::Object&, const api::Object&) {
    dirty_ = true;
    changed_.notify_all();
  });
}

void LocalPaths::start(rt::Group& group) {
  if (context_.options.local_path_folder.empty()) return;
  volumes_.start(group);
  group.spawn("local-path volumes", run());
}

rt::Task<> LocalPaths::run() {
  co_await volumes_.wait_synced();
  while (true) {
    dirty_ = false;
    bool failed = false;
    for (const auto& volume : volumes_.all()) {
      if (!to_be_removed(volume)) continue;
      auto done = co_await remove(volume);
      if (done.ok()) continue;
      failed = true;
      kLog.warn("cannot remove a local volume, will retry", "volume", volume.name(), "error",
                done.error().message());
    }
    if (failed) co_await context_.clock.sleep_for(kRetry);
    while (!dirty_ && !failed) co_await changed_.wait();
  }
}

rt::Task<Result<void>> LocalPaths::remove(api::Object volume) {
  const std::string path(
      api::str(volume.json(), "spec.hostPath.path", api::str(volume.json(), "spec.local.path")));
  const bool data_too = api::str(volume.json(), "spec.persistentVolumeReclaimPolicy") == "Delete";
  if (data_too && below_folder(context_.options.local_path_folder, path)) {
    auto work = [path] { return remove_tree(path); };
    MK_CO_TRY(co_await context_.pool.run(std::move(work)));
  } else if (data_too) {
    kLog.warn("a local volume outside this node's folder is not removed", "volume", volume.name(), "path",
              path);
  }
  JsonArray others;
  for (const Json& name : api::list(volume.json(), "metadata.finalizers"))
    if (!name.is_string() || std::string_view(name.get_string()) != kLocalPathFinalizer)
      others.push_back(name);
  JsonObject metadata{{"finalizers", std::move(others)},
                      {"resourceVersion", text(volume.resource_version())},
                      {"uid", text(volume.uid())}};
  JsonObject change{{"metadata", std::move(metadata)}};
  auto done = co_await context_.client.patch(kVolumes, volume.key(), "", client::PatchType::kMerge,
                                             Json(std::move(change)), client::WriteOptions());
  if (!done.ok() && !done.error().is(Reason::kNotFound)) co_return std::move(done).error();
  co_return ok();
}

}  // namespace mk::kubelet
