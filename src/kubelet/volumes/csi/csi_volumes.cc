#include "volumes/csi/csi_volumes.h"

#include <fmt/core.h>
#include <unistd.h>

#include "env/environment.h"
#include "mk/api/resource.h"
#include "mk/base/files.h"
#include "mk/base/log.h"
#include "mk/client/attachment.h"
#include "mk/pki/certificate.h"
#include "plugins/call.h"
#include "volumes/csi/folders.h"
#include "volumes/ownership.h"

namespace mk::kubelet {
namespace {

constexpr Log kLog("kubelet");
const api::Gvr kAttachments{"storage.k8s.io", "v1", "volumeattachments"};
const api::Gvr kDrivers{"storage.k8s.io", "v1", "csidrivers"};
constexpr auto kLimit = std::chrono::minutes(2);

// Does the driver leave it to the kubelet to give the volume to the pod's group?
bool owns_by_group(const Json& driver, const CsiVolume& volume) {
  const auto policy = api::str(driver, "spec.fsGroupPolicy", "ReadWriteOnceWithFSType");
  if (policy == "None" || volume.read_only) return false;
  return policy == "File" || (!volume.fs_type.empty() && volume.access_mode == "ReadWriteOnce");
}

void add_pod_info(std::map<std::string, std::string>& attributes, const api::Object& pod,
                  bool inline_volume) {
  attributes["csi.storage.k8s.io/pod.name"] = pod.name();
  attributes["csi.storage.k8s.io/pod.namespace"] = pod.ns();
  attributes["csi.storage.k8s.io/pod.uid"] = pod.uid();
  attributes["csi.storage.k8s.io/serviceAccount.name"] = api::str(pod.json(), "spec.serviceAccountName");
  attributes["csi.storage.k8s.io/ephemeral"] = inline_volume ? "true" : "false";
}

Result<void> check_mode(const Json& driver, const CsiVolume& volume) {
  if (!volume.inline_volume) return ok();
  for (const Json& mode : api::list(driver, "spec.volumeLifecycleModes"))
    if (mode == "Ephemeral") return ok();
  return Error(
      Reason::kInvalid,
      fmt::format("volume mode \"Ephemeral\" not supported by driver {} (only supports [\"Persistent\"])",
                  volume.driver));
}

}  // namespace

// One volume, one mount or unmount at a time.
struct CsiVolumes::Lock {
  static rt::Task<Lock> take(CsiVolumes& owner, std::string key) {
    while (!owner.busy_.insert(key).second) co_await owner.freed_.wait();
    co_return Lock(owner, std::move(key));
  }
  Lock(CsiVolumes& owner, std::string key) : owner_(&owner), key_(std::move(key)) {}
  Lock(Lock&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)), key_(std::move(other.key_)) {}
  ~Lock() {
    if (owner_ == nullptr) return;
    owner_->busy_.erase(key_);
    owner_->freed_.notify_all();
  }
  CsiVolumes* owner_;
  std::string key_;
};

CsiVolumes::CsiVolumes(Context& context, PluginRegistry& registry, std::string shown_dir)
    : context_(context), shown_dir_(std::move(shown_dir)) {
  registry.on_type(
      "CSIPlugin", [this](PluginInfo info) { return add(std::move(info)); },
      [this](PluginInfo info) { return remove(std::move(info)); });
}

std::string CsiVolumes::shown(const std::string& path) const {
  const auto& own = context_.options.data_dir;
  return path.rfind(own + "/", 0) == 0 ? shown_dir_ + path.substr(own.size()) : path;
}

std::string CsiVolumes::staging_folder(const std::string& driver, const std::string& handle) const {
  return fmt::format("{}/plugins/kubernetes.io/csi/{}/{}", context_.options.data_dir, driver,
                     pki::sha256_hex(handle));
}

rt::Task<Result<std::string>> CsiVolumes::call(std::string socket, std::string method, Message request) {
  co_return co_await call_plugin(context_.clock, std::move(socket), "/csi.v1." + method, std::move(request),
                                 kLimit);
}

// --- drivers --------------------------------------------------------------------------------------------

rt::Task<Result<void>> CsiVolumes::add(PluginInfo info) {
  MK_CO_ASSIGN(const std::string abilities,
               co_await call(info.endpoint, "Node/NodeGetCapabilities", Message()));
  const auto listed = Fields::parse(abilities);
  MK_CO_ASSIGN(const std::string about, co_await call(info.endpoint, "Node/NodeGetInfo", Message()));
  const auto node = Fields::parse(about);
  if (!listed || !node) co_return Error(Reason::kInvalid, "the driver's answers are malformed");
  Driver driver;
  driver.socket = info.endpoint;
  for (const auto bytes : listed->all(1)) {
    const auto capability = Fields::parse(bytes);
    const auto rpc = capability ? Fields::parse(capability->text(1)) : std::nullopt;
    const auto type = rpc ? rpc->number(1) : 0;
    driver.stages |= type == 1;                    // STAGE_UNSTAGE_VOLUME
    driver.single_node_multi_writer |= type == 5;  // SINGLE_NODE_MULTI_WRITER
    driver.mount_group |= type == 6;               // VOLUME_MOUNT_GROUP
  }
  const std::string id(node->text(1));
  if (id.empty()) co_return Error(Reason::kInvalid, "the driver has no id for this node");
  const auto segments = Fields::parse(node->text(3));
  const auto topology = segments ? segments->map(1) : std::map<std::string, std::string>();
  JsonArray keys;
  for (const auto& [key, value] : topology) keys.push_back(text(key));
  JsonObject entry{{"name", text(info.name)}, {"nodeID", text(id)}, {"topologyKeys", std::move(keys)}};
  if (node->number(2) > 0) entry["allocatable"] = JsonObject{{"count", node->number(2)}};
  MK_CO_TRY(co_await label_node(info.name, id, topology));
  MK_CO_TRY(co_await write_csi_node(info.name, Json(std::move(entry))));
  drivers_[info.name] = std::move(driver);
  co_return ok();
}

rt::Task<> CsiVolumes::remove(PluginInfo info) {
  drivers_.erase(info.name);
  auto done = co_await write_csi_node(info.name, std::nullopt);
  if (!done.ok())
    kLog.warn("the CSINode was not updated", "driver", info.name, "error", done.error().message());
}

// --- mounting -------------------------------------------------------------------------------------------

// What attaching has brought to light; empty for drivers that need none.
rt::Task<Result<std::map<std::string, std::string>>> CsiVolumes::publish_context(CsiVolume volume) {
  const auto name = client::attachment_name(volume.handle, volume.driver, context_.options.node_name);
  auto found = co_await context_.client.get(kAttachments, api::Key("", name));
  if (!found.ok() && !found.error().is(Reason::kNotFound) && !found.error().is(Reason::kForbidden))
    co_return std::move(found).error();
  if (!found.ok() || !api::flag(found->json(), "status.attached")) {
    std::string why = found.ok() ? std::string(api::str(found->json(), "status.attachError.message")) : "";
    co_return Error(Reason::kServiceUnavailable, fmt::format("volume attachment {} is not attached yet{}{}",
                                                             name, why.empty() ? "" : ": ", why));
  }
  std::map<std::string, std::string> out;
  for (const auto& item : api::object(found->json(), "status.attachmentMetadata"))
    if (item.value().is_string()) out[std::string(item.key())] = std::string(item.value().get_string());
  co_return out;
}

rt::Task<Result<std::map<std::string, std::string>>> CsiVolumes::secret(std::string name) {
  if (name.empty()) co_return std::map<std::string, std::string>();
  const auto slash = name.find('/');
  const api::Key key(name.substr(0, slash), name.substr(slash + 1));
  MK_CO_ASSIGN(const api::Object object, co_await context_.client.get(api::resources::kSecrets, key));
  co_return object_data(object);
}

rt::Task<Result<void>> CsiVolumes::stage(CsiVolume volume, Driver driver,
                                         std::map<std::string, std::string> context, std::string group) {
  const std::string key = volume.driver + "/" + volume.handle;
  if (!driver.stages || volume.inline_volume || staged_.count(key) != 0) co_return ok();
  const std::string folder = staging_folder(volume.driver, volume.handle);
  auto prepare = [folder] { return make_dirs(folder + "/globalmount", 0750); };
  MK_CO_TRY(co_await context_.pool.run(std::move(prepare)));
  MK_CO_ASSIGN(const auto secrets, co_await secret(volume.stage_secret));
  Message request;
  request.text(1, volume.handle)
      .map(2, context)
      .text(3, shown(folder + "/globalmount"))
      .message(4, volume_capability(volume, driver.single_node_multi_writer, group))
      .map(5, secrets)
      .map(6, volume.attributes);
  MK_CO_TRY(co_await call(driver.socket, "Node/NodeStageVolume", std::move(request)));
  staged_.insert(key);
  co_return ok();
}

rt::Task<Result<CsiVolumes::Mounted>> CsiVolumes::set_up(api::Object pod, CsiVolume volume) {
  const auto found = drivers_.find(volume.driver);
  if (found == drivers_.end())
    co_return Error(
        Reason::kServiceUnavailable,
        fmt::format("driver name {} not found in the list of registered CSI drivers", volume.driver));
  const Driver driver = found->second;
  auto described = co_await context_.client.get(kDrivers, api::Key("", volume.driver));
  if (!described.ok() && !described.error().is(Reason::kNotFound)) co_return std::move(described).error();
  const Json about = described.ok() ? described->json() : Json(JsonObject());
  MK_CO_TRY(check_mode(about, volume));
  const auto lock = co_await Lock::take(*this, volume.driver + "/" + volume.handle);
  std::map<std::string, std::string> context;
  if (!volume.inline_volume && api::flag(about, "spec.attachRequired", true)) {
    MK_CO_ASSIGN(context, co_await publish_context(volume));
  }
  const auto gid = fs_group(pod.json());
  const bool by_driver = gid && driver.mount_group;
  const std::string group = by_driver ? std::to_string(*gid) : "";

  const CsiFolder folder(context_.options.data_dir, std::string(pod.uid()), volume.name);
  auto note = [folder, volume, stages = driver.stages] {
    return folder.write(volume.driver, volume.handle, stages && !volume.inline_volume);
  };
  MK_CO_TRY(co_await context_.pool.run(std::move(note)));
  MK_CO_TRY(co_await stage(volume, driver, context, group));
  MK_CO_ASSIGN(const auto secrets, co_await secret(volume.publish_secret));
  if (api::flag(about, "spec.podInfoOnMount")) add_pod_info(volume.attributes, pod, volume.inline_volume);
  Message request;
  request.text(1, volume.handle).map(2, context);
  if (driver.stages && !volume.inline_volume)
    request.text(3, shown(staging_folder(volume.driver, volume.handle) + "/globalmount"));
  request.text(4, shown(folder.target()))
      .message(5, volume_capability(volume, driver.single_node_multi_writer, group))
      .flag(6, volume.read_only)
      .map(7, secrets)
      .map(8, volume.attributes);
  MK_CO_TRY(co_await call(driver.socket, "Node/NodePublishVolume", std::move(request)));
  if (gid && !by_driver && owns_by_group(about, volume)) {
    auto own = [path = folder.target(), gid = *gid] { return own_tree_by_group(path, gid); };
    MK_CO_TRY(co_await context_.pool.run(std::move(own)));
  }
  co_return Mounted{folder.target(), api::flag(about, "spec.requiresRepublish")};
}

rt::Task<Result<void>> CsiVolumes::tear_down(std::string pod_uid) {
  auto list = [dir = context_.options.data_dir, pod_uid] { return CsiFolder::of_pod(dir, pod_uid); };
  const auto folders = co_await context_.pool.run(std::move(list));
  for (const auto& folder : folders) MK_CO_TRY(co_await take_back(folder));
  co_return ok();
}

rt::Task<Result<void>> CsiVolumes::take_back(std::string path) {
  auto read = [path] { return CsiFolder::read(path); };
  const auto note = co_await context_.pool.run(std::move(read));
  if (note.driver.empty()) co_return ok();  // never got as far as the driver
  const auto found = drivers_.find(note.driver);
  if (found == drivers_.end())
    co_return Error(
        Reason::kServiceUnavailable,
        fmt::format("driver name {} not found in the list of registered CSI drivers", note.driver));
  const std::string socket = found->second.socket, key = note.driver + "/" + note.handle;
  const auto lock = co_await Lock::take(*this, key);
  Message unpublish;
  unpublish.text(1, note.handle).text(2, shown(path + "/mount"));
  MK_CO_TRY(co_await call(socket, "Node/NodeUnpublishVolume", std::move(unpublish)));
  auto users = [dir = context_.options.data_dir, path, note] {
    return CsiFolder::used_elsewhere(dir, path, note);
  };
  const bool last = note.staged && !co_await context_.pool.run(std::move(users));
  if (last) {
    const std::string folder = staging_folder(note.driver, note.handle);
    Message unstage;
    unstage.text(1, note.handle).text(2, shown(folder + "/globalmount"));
    MK_CO_TRY(co_await call(socket, "Node/NodeUnstageVolume", std::move(unstage)));
    staged_.erase(key);
    auto clear = [folder] { return remove_tree(folder); };
    MK_CO_TRY(co_await context_.pool.run(std::move(clear)));
  }
  auto clear = [path] { return remove_tree(path); };
  co_return co_await context_.pool.run(std::move(clear));
}

}  // namespace mk::kubelet
