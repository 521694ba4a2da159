#include "volumes/pod_volumes.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "mk/api/quantity.h"
#include "mk/api/resource.h"
#include "mk/base/files.h"
#include "mk/base/strings.h"
#include "volumes/csi/csi_volumes.h"
#include "volumes/etc_files.h"
#include "volumes/host_path.h"
#include "volumes/mounter.h"
#include "volumes/ownership.h"
#include "volumes/plain_file.h"
#include "volumes/sub_path.h"

namespace mk::kubelet {

namespace {

// The one user that every container runs as: only then may a token belong to it alone.
std::optional<std::int64_t> common_user(const Json& pod) {
  std::optional<std::int64_t> user;
  for (const auto& container : all_containers(pod)) {
    const Json* own = api::find(*container.spec, "securityContext.runAsUser");
    const Json* value = own != nullptr ? own : api::find(pod, "spec.securityContext.runAsUser");
    if (value == nullptr || !value->is_number()) return std::nullopt;
    const auto uid = value->to_number<std::int64_t>();
    if (user && *user != uid) return std::nullopt;
    user = uid;
  }
  return user;
}

std::string_view plugin_of(const Json& volume) {
  for (const auto& [field, plugin] :
       {std::pair<const char*, const char*>{"configMap", "kubernetes.io~configmap"},
        {"secret", "kubernetes.io~secret"},
        {"downwardAPI", "kubernetes.io~downward-api"},
        {"projected", "kubernetes.io~projected"},
        {"emptyDir", "kubernetes.io~empty-dir"}})
    if (api::find(volume, field) != nullptr) return plugin;
  return "";
}

unsigned default_mode(const Json& volume) {
  for (std::string_view field : {"configMap", "secret", "downwardAPI", "projected"})
    if (const Json* source = api::find(volume, field))
      return static_cast<unsigned>(api::num(*source, "defaultMode", 0644));
  return 0644;
}

std::string timestamp(rt::WallTime now) {
  std::string out = rt::format_time(now);
  for (char& c : out)
    if (c == '-' || c == ':' || c == 'T') c = '_';
  if (!out.empty() && out.back() == 'Z') out.pop_back();
  return out;
}

std::int64_t size_limit(const Json& pod, const Json& empty_dir) {
  std::int64_t limit = pod_resources(pod).memory_limit;
  if (const Json* given = api::find(empty_dir, "sizeLimit"))
    if (const auto quantity = api::Quantity::parse(text_of(given)); quantity.ok() && quantity->value() > 0)
      limit = limit == 0 ? quantity->value() : std::min(limit, quantity->value());
  return limit;
}

}  // namespace

PodPaths::PodPaths(const KubeletOptions& options, const Json& pod)
    : uid(api::str(pod, "metadata.uid")),
      root(options.data_dir + "/pods/" + uid),
      etc(root + "/etc"),
      logs(fmt::format("{}/{}_{}_{}", options.log_dir, api::str(pod, "metadata.namespace"),
                       api::str(pod, "metadata.name"), uid)) {}

std::string PodPaths::volume(std::string_view plugin, std::string_view name) const {
  return fmt::format("{}/volumes/{}/{}", root, plugin, name);
}
std::string PodPaths::container(std::string_view name) const {
  return fmt::format("{}/containers/{}", root, name);
}
std::string PodPaths::log(std::string_view container, std::uint32_t attempt) const {
  return fmt::format("{}/{}/{}.log", logs, container, attempt);
}
std::string PodPaths::termination(std::string_view name, std::uint32_t attempt) const {
  return fmt::format("{}/{}.termination", container(name), attempt);
}

PodVolumes::PodVolumes(Context& context, const Json& pod, std::function<void()> changed)
    : context_(context), paths_(context.options, pod), changed_(std::move(changed)) {}

rt::Task<Result<void>> PodVolumes::sync(api::Object pod, std::vector<std::string> pod_ips) {
  const DownwardInputs downward{&pod.json(), context_.allocatable, context_.options.node_ip, pod_ips};
  std::optional<Error> problem;
  for (const Json& volume : api::list(pod.json(), "spec.volumes")) {
    auto result = co_await sync_one(pod, volume, downward);
    if (!result.ok() && !problem)
      problem = std::move(result).error().wrap(
          fmt::format("MountVolume.SetUp failed for volume \"{}\"", api::str(volume, "name")));
  }
  if (problem) co_return std::move(*problem);
  co_return ok();
}

rt::Task<Result<void>> PodVolumes::sync_one(api::Object pod, const Json& volume,
                                            const DownwardInputs& downward) {
  const std::string name(api::str(volume, "name"));
  const auto plugin = plugin_of(volume);
  if (!plugin.empty() && plugin != "kubernetes.io~empty-dir")
    co_return co_await sync_files(pod, volume, downward);
  const auto republish = republish_.find(name);
  const bool again = republish != republish_.end() && republish->second <= context_.clock.now();
  if (host_paths_.count(name) != 0 && !again) co_return ok();
  if (!plugin.empty()) co_return co_await set_up_empty_dir(pod.json(), volume);
  if (api::find(volume, "csi") != nullptr) co_return co_await set_up_csi(pod, volume, api::Object());
  if (api::find(volume, "image") != nullptr) co_return co_await set_up_image(volume);
  if (api::find(volume, "hostPath") != nullptr) co_return co_await set_up_host_path(volume);
  if (api::find(volume, "persistentVolumeClaim") != nullptr || api::find(volume, "ephemeral") != nullptr)
    co_return co_await set_up_claim(pod, volume);
  co_return Error(Reason::kInvalid,
                  "this volume type is not supported by mk; use emptyDir, hostPath, configMap, secret, "
                  "downwardAPI, projected, image, csi or a claim");
}

std::set<std::string> PodVolumes::images_in_use() const {
  std::set<std::string> out;
  for (const auto& [volume, id] : images_) out.insert(id);
  return out;
}

rt::Task<Result<void>> PodVolumes::set_up_image(const Json& volume) {
  const std::string name(api::str(volume, "name"));
  const auto image = images_.find(name);
  if (image == images_.end())
    co_return Error(Reason::kServiceUnavailable, "its image is not on the node yet");
  const std::string dir = paths_.volume("kubernetes.io~image", name);
  MK_CO_TRY(co_await context_.runtime.images->mount(image->second, dir));
  host_paths_[name] = dir;
  co_return ok();
}

Result<void> PodVolumes::add_object(Payload& payload, const Json& pod, std::string_view kind,
                                    std::string_view name, const Json& source, unsigned mode) {
  const bool secret = kind == "secret";
  const auto& resource = secret ? api::resources::kSecrets : api::resources::kConfigMaps;
  const api::Key key(std::string(api::str(pod, "metadata.namespace")), std::string(name));
  auto& lease = leases_[fmt::format("{}/{}", kind, name)];
  if (lease == nullptr) lease = context_.objects.watch(resource, key, changed_);
  if (!lease->known())
    return Error(Reason::kTimeout, fmt::format("{} \"{}\" has not been read yet", kind, name));
  const api::Object object = lease->object();
  if (!object) {
    if (api::flag(source, "optional")) return ok();
    return Error(Reason::kNotFound, fmt::format("{} \"{}\" not found", kind, name));
  }
  // Objects of typed lists and watches may come without their kind.
  const api::Object typed =
      object.kind().empty()
          ? object.with([&](Json& json) { json.as_object()["kind"] = secret ? "Secret" : "ConfigMap"; })
          : object;
  return add_object_files(payload, source, typed, mode);
}

rt::Task<Result<void>> PodVolumes::sync_files(api::Object pod, const Json& volume,
                                              const DownwardInputs& downward) {
  const std::string name(api::str(volume, "name"));
  const unsigned mode = default_mode(volume);
  Payload payload;
  if (const Json* source = api::find(volume, "configMap"))
    MK_CO_TRY(add_object(payload, pod.json(), "configmap", api::str(*source, "name"), *source, mode));
  if (const Json* source = api::find(volume, "secret"))
    MK_CO_TRY(add_object(payload, pod.json(), "secret", api::str(*source, "secretName"), *source, mode));
  if (const Json* source = api::find(volume, "downwardAPI"))
    MK_CO_TRY(add_downward_files(payload, *source, downward, mode));
  for (const Json& entry : api::list(volume, "projected.sources")) {
    if (const Json* source = api::find(entry, "configMap"))
      MK_CO_TRY(add_object(payload, pod.json(), "configmap", api::str(*source, "name"), *source, mode));
    if (const Json* source = api::find(entry, "secret"))
      MK_CO_TRY(add_object(payload, pod.json(), "secret", api::str(*source, "name"), *source, mode));
    if (const Json* source = api::find(entry, "downwardAPI"))
      MK_CO_TRY(add_downward_files(payload, *source, downward, mode));
    if (const Json* source = api::find(entry, "serviceAccountToken"))
      MK_CO_TRY(co_await add_token(payload, pod, name, *source, mode));
  }
  const auto written = written_.find(name);
  if (written != written_.end() && written->second == payload) co_return ok();
  const std::string dir = paths_.volume(plugin_of(volume), name);
  const bool memory = api::find(volume, "configMap") == nullptr;  // may hold secrets: never to disk
  auto work = [dir, memory, payload, gid = fs_group(pod.json()), now = timestamp(context_.clock.now()),
               &mounter = context_.mounter]() -> Result<void> {
    MK_TRY(make_dirs(dir));
    if (memory) MK_TRY(mounter.tmpfs(dir, 0, 0777));
    ::chmod(dir.c_str(), 0777);
    if (gid) MK_TRY(own_by_group(dir, *gid));
    return write_payload(dir, payload, gid, now);
  };
  auto result = co_await context_.pool.run(std::move(work));
  if (!result.ok()) co_return result;
  host_paths_[name] = dir;
  written_[name] = std::move(payload);
  co_return ok();
}

rt::Task<Result<void>> PodVolumes::add_token(Payload& payload, api::Object pod, std::string volume,
                                             const Json& source, unsigned mode) {
  const std::string path(api::str(source, "path"));
  const std::string key = volume + "/" + path;
  auto token = tokens_.find(key);
  if (token == tokens_.end() || token->second.refresh <= context_.clock.now()) {
    const auto seconds = api::num(source, "expirationSeconds", 3600);
    JsonArray audiences;
    if (const auto audience = api::str(source, "audience"); !audience.empty())
      audiences.push_back(text(audience));
    JsonObject bound{
        {"kind", "Pod"}, {"apiVersion", "v1"}, {"name", text(pod.name())}, {"uid", text(pod.uid())}};
    JsonObject spec{{"audiences", std::move(audiences)},
                    {"expirationSeconds", seconds},
                    {"boundObjectRef", std::move(bound)}};
    Json request = JsonObject{
        {"apiVersion", "authentication.k8s.io/v1"}, {"kind", "TokenRequest"}, {"spec", std::move(spec)}};
    const api::Key account(std::string(pod.ns()),
                           std::string(api::str(pod.json(), "spec.serviceAccountName", "default")));
    api::Object body(std::move(request));
    MK_CO_ASSIGN(const api::Object answer,
                 co_await context_.client.create_subresource(api::resources::kServiceAccounts, account,
                                                             "token", std::move(body)));
    const auto now = context_.clock.now();
    const auto expires = rt::parse_time(api::str(answer.json(), "status.expirationTimestamp"))
                             .value_or(now + std::chrono::seconds(seconds));
    const auto most = std::chrono::hours(24);
    const rt::Duration life = std::min<rt::Duration>((expires - now) * 4 / 5, most);
    token =
        tokens_.insert_or_assign(key, Token{std::string(api::str(answer.json(), "status.token")), now + life})
            .first;
  }
  PayloadFile file;
  file.content = token->second.value;
  file.mode = mode;
  file.uid = common_user(pod.json());
  if (file.uid || fs_group(pod.json())) file.mode = 0600;
  payload[path] = std::move(file);
  co_return ok();
}

rt::Task<Result<void>> PodVolumes::set_up_empty_dir(const Json& pod, const Json& volume) {
  const std::string name(api::str(volume, "name"));
  const auto medium = api::str(volume, "emptyDir.medium");
  if (!medium.empty() && medium != "Memory")
    co_return Error(Reason::kInvalid,
                    fmt::format("emptyDir medium \"{}\" is not supported by mk; use \"\" or Memory", medium));
  const std::string dir = paths_.volume("kubernetes.io~empty-dir", name);
  auto work = [dir, memory = !medium.empty(), size = size_limit(pod, *api::find(volume, "emptyDir")),
               gid = fs_group(pod), &mounter = context_.mounter]() -> Result<void> {
    MK_TRY(make_dirs(dir));
    if (memory) MK_TRY(mounter.tmpfs(dir, size, 0777));
    ::chmod(dir.c_str(), 0777);  // whatever our umask is
    if (gid) return own_by_group(dir, *gid);
    return ok();
  };
  auto result = co_await context_.pool.run(std::move(work));
  if (result.ok()) host_paths_[name] = dir;
  co_return result;
}

rt::Task<Result<void>> PodVolumes::set_up_host_path(const Json& volume) {
  const std::string path(api::str(volume, "hostPath.path")), type(api::str(volume, "hostPath.type"));
  auto work = [path, type] { return prepare_host_path(path, type); };
  auto result = co_await context_.pool.run(std::move(work));
  if (result.ok()) host_paths_[std::string(api::str(volume, "name"))] = path;
  co_return result;
}

std::optional<rt::WallTime> PodVolumes::next_refresh() const {
  std::optional<rt::WallTime> out;
  for (const auto& [key, token] : tokens_)
    if (!out || token.refresh < *out) out = token.refresh;
  for (const auto& [volume, when] : republish_)
    if (!out || when < *out) out = when;
  return out;
}

rt::Task<Result<std::string>> PodVolumes::bind_sub_path(std::string root, std::string sub_path,
                                                        std::string target) {
  auto work = [root, sub_path, target, &mounter = context_.mounter]() -> Result<std::string> {
    MK_ASSIGN(const int fd, open_sub_path(root, sub_path));
    struct stat info;
    const bool directory = ::fstat(fd, &info) == 0 && S_ISDIR(info.st_mode);
    Result<void> made = directory ? make_dirs(target) : make_dirs(target.substr(0, target.rfind('/')));
    if (made.ok()) made = mounter.unmount_below(target);
    if (made.ok() && !directory) made = write_plain_file(target, "", 0644);
    if (made.ok()) made = mounter.bind_fd(fd, target);
    ::close(fd);
    if (!made.ok()) return std::move(made).error();
    return target;
  };
  co_return co_await context_.pool.run(std::move(work));
}

rt::Task<Result<void>> PodVolumes::write_etc(api::Object pod, std::vector<std::string> pod_ips) {
  auto work = [pod_json = pod.json(), &options = context_.options, pod_ips,
               etc = paths_.etc]() -> Result<void> {
    MK_TRY(make_dirs(etc));
    const auto node_hosts = read_file("/etc/hosts");
    const auto node_resolv = read_file("/etc/resolv.conf");
    MK_TRY(write_plain_file(etc + "/hosts", make_hosts(pod_json, options, pod_ips, node_hosts.value_or("")),
                            0644));
    MK_TRY(write_plain_file(etc + "/hostname", pod_hostname(pod_json, options) + "\n", 0644));
    return write_plain_file(etc + "/resolv.conf",
                            make_resolv_conf(pod_json, options, node_resolv.value_or("")), 0644);
  };
  co_return co_await context_.pool.run(std::move(work));
}

rt::Task<Result<std::vector<Mount>>> PodVolumes::container_mounts(api::Object pod, std::string container,
                                                                  std::vector<std::string> pod_ips,
                                                                  Variables variables) {
  MK_CO_TRY(co_await write_etc(pod, std::move(pod_ips)));
  std::vector<Mount> out;
  const Json* spec = nullptr;
  for (const auto& candidate : all_containers(pod.json()))
    if (candidate.name() == container) spec = candidate.spec;
  MK_ASSERT(spec != nullptr);
  int index = -1;
  for (const Json& mount : api::list(*spec, "volumeMounts")) {
    ++index;
    const std::string name(api::str(mount, "name"));
    const auto found = host_paths_.find(name);
    if (found == host_paths_.end())
      co_return Error(Reason::kInvalid, fmt::format("volume \"{}\" is not set up", name));
    std::string source = found->second;
    std::string sub_path(api::str(mount, "subPath"));
    if (const auto expression = api::str(mount, "subPathExpr"); !expression.empty()) {
      sub_path = expand(expression, variables);
      if (sub_path.find("$(") != std::string::npos)
        co_return Error(Reason::kInvalid, fmt::format("missing value for subPathExpr \"{}\"", expression));
    }
    if (!sub_path.empty()) {
      if (const auto wrong = check_sub_path(sub_path); !wrong.empty())
        co_return Error(Reason::kInvalid,
                        fmt::format("volume \"{}\": subPath \"{}\" {}", name, sub_path, wrong));
      const std::string target =
          fmt::format("{}/volume-subpaths/{}/{}/{}", paths_.root, name, container, index);
      MK_CO_ASSIGN(source, co_await bind_sub_path(source, sub_path, target));
    }
    const bool read_only = api::flag(mount, "readOnly") || images_.count(name) != 0;
    out.emplace_back(source, std::string(api::str(mount, "mountPath")), read_only);
    out.back().propagation = std::string(api::str(mount, "mountPropagation"));
    if (out.back().propagation == "None") out.back().propagation.clear();
  }
  for (const char* file : {"hosts", "resolv.conf", "hostname"}) {
    const std::string path = std::string("/etc/") + file;
    const bool own =
        std::any_of(out.begin(), out.end(), [&](const Mount& mount) { return mount.container_path == path; });
    if (!own) out.emplace_back(paths_.etc + "/" + file, path, false);
  }
  co_return out;
}

rt::Task<Result<void>> PodVolumes::tear_down() {
  leases_.clear();
  host_paths_.clear();
  written_.clear();
  tokens_.clear();
  republish_.clear();
  co_return co_await remove_pod_dir(context_, paths_.uid);
}

rt::Task<Result<void>> remove_pod_dir(Context& context, std::string uid) {
  if (uid.empty() || uid.find('/') != std::string::npos)
    co_return Error(Reason::kInvalid, "not a pod's uid: \"" + uid + "\"");
  // Drivers unmount what they have mounted, before anybody else does.
  if (context.csi != nullptr) MK_CO_TRY(co_await context.csi->tear_down(uid));
  auto work = [dir = context.options.data_dir + "/pods/" + uid,
               &mounter = context.mounter]() -> Result<void> {
    if (!file_exists(dir)) return ok();
    MK_TRY(mounter.unmount_below(dir));
    return remove_tree(dir);
  };
  co_return co_await context.pool.run(std::move(work));
}

}  // namespace mk::kubelet
