#include <fmt/core.h>

#include "mk/pki/certificate.h"
#include "volumes/csi/csi_volumes.h"

// What a driver is told of a volume. All pure.
namespace mk::kubelet {

namespace {

std::map<std::string, std::string> texts(const JsonObject& object) {
  std::map<std::string, std::string> out;
  for (const auto& item : object)
    if (item.value().is_string()) out[std::string(item.key())] = std::string(item.value().get_string());
  return out;
}

std::string secret_name(const Json& source, std::string_view field, std::string_view ns) {
  const Json* ref = api::find(source, field);
  if (ref == nullptr) return "";
  return fmt::format("{}/{}", api::str(*ref, "namespace", ns), api::str(*ref, "name"));
}

// csi.v1.VolumeCapability.AccessMode
std::int64_t access_mode(const std::string& mode, bool single_node_multi_writer) {
  if (mode == "ReadOnlyMany") return 3;
  if (mode == "ReadWriteMany") return 5;
  if (!single_node_multi_writer) return 1;
  return mode == "ReadWriteOncePod" ? 6 : 7;
}

}  // namespace

Result<CsiVolume> csi_volume(const api::Object& pod, const Json& volume, const api::Object& persistent) {
  CsiVolume out;
  const Json& object = persistent ? persistent.json() : volume;
  const Json* source = api::find(object, persistent ? "spec.csi" : "csi");
  if (source == nullptr) return Error(Reason::kInvalid, "this is no CSI volume");
  out.driver = api::str(*source, "driver");
  out.fs_type = api::str(*source, "fsType");
  out.read_only = api::flag(*source, "readOnly");
  out.attributes = texts(api::object(*source, "volumeAttributes"));
  out.publish_secret = secret_name(*source, "nodePublishSecretRef", pod.ns());
  if (!persistent) {
    out.name = api::str(volume, "name");
    out.inline_volume = true;
    // One for each pod and volume, and the same whenever it is asked for.
    out.handle = "csi-" + pki::sha256_hex(fmt::format("{}/{}", pod.uid(), out.name));
    return out;
  }
  if (api::str(object, "spec.volumeMode") == "Block")
    return Error(Reason::kInvalid, "block volumes of CSI drivers are not supported by mk");
  out.name = persistent.name();
  out.handle = api::str(*source, "volumeHandle");
  out.stage_secret = secret_name(*source, "nodeStageSecretRef", pod.ns());
  out.read_only |= api::flag(volume, "persistentVolumeClaim.readOnly");
  const auto& modes = api::list(object, "spec.accessModes");
  if (!modes.empty() && modes.front().is_string()) out.access_mode = std::string(modes.front().get_string());
  for (const Json& option : api::list(object, "spec.mountOptions"))
    if (option.is_string()) out.mount_options.emplace_back(std::string_view(option.get_string()));
  return out;
}

Message volume_capability(const CsiVolume& volume, bool single_node_multi_writer, const std::string& group) {
  Message mount, mode, out;
  mount.text(1, volume.fs_type);
  for (const auto& option : volume.mount_options) mount.text(2, option);
  mount.text(3, group);
  mode.number(1, access_mode(volume.access_mode, single_node_multi_writer));
  out.message(2, mount).message(3, mode);
  return out;
}

}  // namespace mk::kubelet
