#include <fmt/core.h>

#include "mk/api/volume_matching.h"
#include "volumes/csi/csi_volumes.h"
#include "volumes/host_path.h"
#include "volumes/local_path.h"
#include "volumes/ownership.h"
#include "volumes/pod_volumes.h"

// Volumes that claims stand for.
namespace mk::kubelet {

using namespace api::volume;

namespace {

constexpr auto kRepublish = std::chrono::seconds(60);  // as often as Kubernetes' kubelet looks at a quiet pod

// What a directory or file on the node needs before it can be mounted.
Result<void> prepare_on_node(const Json& volume, bool local_path, std::optional<std::int64_t> gid) {
  if (api::find(volume, "spec.local") != nullptr) {
    const std::string path(api::str(volume, "spec.local.path"));
    MK_TRY(local_path ? make_local_path(path) : prepare_host_path(path, "DirectoryOrCreate"));
    return gid ? own_by_group(path, *gid) : ok();
  }
  const std::string path(api::str(volume, "spec.hostPath.path")),
      type(api::str(volume, "spec.hostPath.type"));
  if (local_path) return make_local_path(path);
  MK_TRY(prepare_host_path(path, type.empty() ? "DirectoryOrCreate" : type));
  return gid ? own_by_group(path, *gid) : ok();
}

}  // namespace

rt::Task<Result<void>> PodVolumes::set_up_claim(api::Object pod, const Json& volume) {
  const api::Key key(std::string(pod.ns()), claim_of_volume(pod.name(), volume));
  MK_CO_ASSIGN(const api::Object claim, co_await context_.client.get(kClaims, key));
  const Json* owner = api::controller_of(claim);
  if (api::find(volume, "ephemeral") != nullptr && (owner == nullptr || api::str(*owner, "uid") != pod.uid()))
    co_return Error(Reason::kConflict, fmt::format("PVC {} was not created for pod {} (pod is not owner)",
                                                   key.str(), pod.key().str()));
  const std::string bound(api::str(claim.json(), "spec.volumeName"));
  if (bound.empty() || api::str(claim.json(), "status.phase") != "Bound")
    co_return Error(Reason::kServiceUnavailable,
                    fmt::format("persistentvolumeclaim \"{}\" is not bound", key.name));
  const api::Key volume_key("", bound);
  MK_CO_ASSIGN(const api::Object persistent, co_await context_.client.get(kVolumes, volume_key));
  if (api::find(persistent.json(), "spec.csi") != nullptr)
    co_return co_await set_up_csi(pod, volume, persistent);
  const std::string path(
      api::str(persistent.json(), "spec.hostPath.path", api::str(persistent.json(), "spec.local.path")));
  if (path.empty())
    co_return Error(Reason::kInvalid,
                    fmt::format("persistent volume \"{}\" is neither hostPath, local nor csi", bound));
  auto work = [spec = persistent.json(), gid = fs_group(pod.json()),
               local_path = !persistent.label(kLocalPathNode).empty()] {
    return prepare_on_node(spec, local_path, gid);
  };
  auto result = co_await context_.pool.run(std::move(work));
  if (result.ok()) host_paths_[std::string(api::str(volume, "name"))] = path;
  co_return result;
}

rt::Task<Result<void>> PodVolumes::set_up_csi(api::Object pod, const Json& volume, api::Object persistent) {
  if (context_.csi == nullptr) co_return Error(Reason::kInvalid, "this node has no CSI drivers");
  const std::string name(api::str(volume, "name"));
  MK_CO_ASSIGN(CsiVolume wanted, csi_volume(pod, volume, persistent));
  MK_CO_ASSIGN(const auto mounted, co_await context_.csi->set_up(pod, std::move(wanted)));
  host_paths_[name] = mounted.path;
  republish_.erase(name);
  if (mounted.republish) republish_[name] = context_.clock.now() + kRepublish;
  co_return ok();
}

}  // namespace mk::kubelet
