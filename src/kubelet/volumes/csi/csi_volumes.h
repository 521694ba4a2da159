#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "context.h"
#include "mk/rt/event.h"
#include "plugins/message.h"
#include "plugins/registry.h"

namespace mk::kubelet {

// A volume as a CSI driver is asked for it; made from a PersistentVolume or from a pod's inline volume.
struct CsiVolume {
  std::string name;  // of the PersistentVolume, or of the pod's volume
  std::string driver, handle, fs_type;
  bool inline_volume = false, read_only = false;
  std::string access_mode = "ReadWriteOnce";
  std::vector<std::string> mount_options;
  std::map<std::string, std::string> attributes;
  std::string stage_secret, publish_secret;  // "namespace/name"; "" none
};
// kInvalid: what mk cannot mount (block volumes), or what the object does not say. Pure.
Result<CsiVolume> csi_volume(const api::Object& pod, const Json& volume, const api::Object& persistent);

// csi.v1.VolumeCapability of a mounted file system. Pure.
Message volume_capability(const CsiVolume& volume, bool single_node_multi_writer, const std::string& group);

// The node's side of CSI: drivers that register through plugins_registry, the CSINode that tells of them, and
// the mounts they make. What was asked of a driver for a pod is on the disk (vol_data.json) before it is
// asked, so that any later life of the kubelet can take it back; all calls are idempotent by the
// specification.
class CsiVolumes {
 public:
  // `shown_dir`: the path under which drivers see the kubelet's data directory ("/var/lib/kubelet").
  CsiVolumes(Context& context, PluginRegistry& registry, std::string shown_dir);

  // Makes the CSINode, so that everybody knows that this node has no drivers yet.
  rt::Task<Result<void>> start();

  struct Mounted {
    std::string path;
    bool republish = false;  // the driver wants to be asked again from time to time
  };
  rt::Task<Result<Mounted>> set_up(api::Object pod, CsiVolume volume);
  // Takes back all mounts of a pod; the last pod of a volume on this node also unstages it.
  rt::Task<Result<void>> tear_down(std::string pod_uid);

 private:
  struct Driver {
    std::string socket;
    bool stages = false, mount_group = false, single_node_multi_writer = false;
  };
  struct Lock;

  rt::Task<Result<void>> add(PluginInfo info);
  rt::Task<> remove(PluginInfo info);
  rt::Task<Result<void>> write_csi_node(std::string driver, std::optional<Json> entry);
  rt::Task<Result<void>> label_node(std::string driver, std::string id,
                                    std::map<std::string, std::string> topology);
  rt::Task<Result<std::map<std::string, std::string>>> publish_context(CsiVolume volume);
  rt::Task<Result<std::map<std::string, std::string>>> secret(std::string name);
  rt::Task<Result<void>> stage(CsiVolume volume, Driver driver, std::map<std::string, std::string> context,
                               std::string group);
  rt::Task<Result<void>> take_back(std::string folder);
  rt::Task<Result<std::string>> call(std::string socket, std::string method, Message request);
  std::string shown(const std::string& path) const;
  std::string staging_folder(const std::string& driver, const std::string& handle) const;

  Context& context_;
  std::string shown_dir_;
  std::map<std::string, Driver> drivers_;
  std::set<std::string> staged_;  // volumes, in this life of the kubelet
  std::set<std::string> busy_;    // volumes that somebody sets up or takes back
  rt::Event freed_;
};

}  // namespace mk::kubelet
