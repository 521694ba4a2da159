#include "static_pods/static_pods.h"

#include <sys/stat.h>

#include "images/walk.h"
#include "mk/api/resource.h"
#include "mk/base/files.h"
#include "mk/base/log.h"
#include "static_pods/manifest.h"

namespace mk::kubelet {

namespace {

constexpr Log kLog("kubelet");
constexpr off_t kManifestMax = 10 << 20;
constexpr auto kRetry = std::chrono::seconds(2), kRetryMax = std::chrono::seconds(60);

bool readable(const std::string& path) {
  struct stat info;
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) && info.st_size <= kManifestMax;
}

}  // namespace

StaticPods::StaticPods(Context& context, PodManager& pods, std::function<const Json&()> node)
    : context_(context),
      pods_(pods),
      node_(std::move(node)),
      folder_(context.loop.executor(), context.clock, context.options.static_pods_dir) {}

rt::Task<std::vector<api::Object>> StaticPods::load() {
  auto make = [dir = context_.options.static_pods_dir] { return make_dirs(dir, 0700); };
  if (auto made = co_await context_.pool.run(std::move(make)); !made.ok())
    kLog.warn("cannot make the folder of static pods", "error", made.error().message());
  co_await read();
  std::vector<api::Object> out;
  for (const auto& [path, manifest] : manifests_) {
    const api::Object pod{Json(manifest.pod)};
    if (wanted(pod.key()) == &manifest.pod) out.push_back(pod);
  }
  co_return out;
}

void StaticPods::start(rt::Group& group) {
  group.spawn("static pods' folder", run_folder());
  group.spawn("static pods", run());
}

void StaticPods::wake() {
  dirty_ = true;
  changed_.notify_all();
}

rt::Task<> StaticPods::run_folder() {
  while (true) {
    // A manifest that went ends its pod, also when the same one comes back at once.
    for (const auto& name : co_await folder_.changed())
      manifests_.erase(context_.options.static_pods_dir + "/" + name);
    sync_workers();
    co_await read();
    wake();
  }
}

rt::Task<> StaticPods::read() {
  auto work = [dir = context_.options.static_pods_dir] {
    Files out;
    for (const auto& name : names_in(dir)) {
      const std::string path = dir + "/" + name;
      if (name.front() == '.' || !readable(path)) continue;
      if (auto content = read_file(path); content.ok()) out[path] = std::move(*content);
    }
    return out;
  };
  const Files files = co_await context_.pool.run(std::move(work));
  take(files);
}

void StaticPods::take(const Files& files) {
  std::erase_if(manifests_, [&](const auto& entry) { return files.count(entry.first) == 0; });
  for (const auto& [path, content] : files) {
    const auto known = manifests_.find(path);
    if (known != manifests_.end() && known->second.content == content) continue;
    auto pod = make_static_pod(content, path, context_.options.node_name, context_.clock.now());
    if (!pod.ok()) {
      kLog.warn("cannot read the manifest of a static pod", "file", path, "error", pod.error().message());
      if (known != manifests_.end()) known->second.content = content;
      continue;
    }
    manifests_[path] = {content, std::move(*pod)};
  }
}

// The first file wins where two describe pods of one name.
const Json* StaticPods::wanted(const api::Key& key) const {
  for (const auto& [path, manifest] : manifests_)
    if (api::str(manifest.pod, "metadata.name") == key.name &&
        api::str(manifest.pod, "metadata.namespace") == key.ns)
      return &manifest.pod;
  return nullptr;
}

rt::Task<> StaticPods::run() {
  rt::Duration pause = kRetry;
  while (true) {
    dirty_ = false;
    sync_workers();
    auto result = co_await sync_mirrors();
    if (!result.ok()) {
      kLog.warn("cannot show a static pod in the API, will retry", "error", result.error().message());
      co_await rt::race(changed_.wait(), context_.clock.sleep_for(pause));
      pause = std::min<rt::Duration>(2 * pause, kRetryMax);
      continue;
    }
    pause = kRetry;
    while (!dirty_) co_await changed_.wait();
  }
}

void StaticPods::sync_workers() {
  std::map<api::Key, bool> taken;  // by pods of that name, also those that are ending
  for (PodWorker* worker : pods_.static_workers()) {
    const api::Object pod = worker->pod();
    taken[pod.key()] = true;
    const Json* now = wanted(pod.key());
    if (now != nullptr && api::str(*now, "metadata.uid") == pod.uid()) continue;
    if (!pod.deleting()) worker->update(api::Object(deleted_at(pod.json(), context_.clock.now())));
  }
  for (const auto& [path, manifest] : manifests_) {
    const api::Object pod{Json(manifest.pod)};
    if (wanted(pod.key()) != &manifest.pod || !taken.emplace(pod.key(), true).second) continue;
    pods_.add_static(pod);
  }
}

rt::Task<Result<void>> StaticPods::remove_mirror(api::Object mirror) {
  client::DeleteOptions how;
  how.uid = std::string(mirror.uid());
  how.grace_period_seconds = 0;
  auto removed = co_await context_.client.remove(api::resources::kPods, mirror.key(), how);
  const bool gone =
      removed.ok() || removed.error().is(Reason::kNotFound) || removed.error().is(Reason::kConflict);
  if (!gone) co_return std::move(removed).error();
  co_return ok();
}

rt::Task<Result<void>> StaticPods::sync_mirrors() {
  std::map<api::Key, api::Object> running;
  for (PodWorker* worker : pods_.static_workers()) running[worker->pod().key()] = worker->pod();
  std::map<api::Key, bool> shown;
  Result<void> out;
  const auto mirrors = pods_.mirrors();
  for (const auto& mirror : mirrors) {
    const auto pod = running.find(mirror.key());
    const bool right = pod != running.end() && shows(mirror.json(), pod->second.json());
    // An ending pod stays visible until it has ended.
    if (right && (!mirror.deleting() || pod->second.deleting())) {
      shown[mirror.key()] = true;
      continue;
    }
    if (auto removed = co_await remove_mirror(mirror); !removed.ok()) out = std::move(removed);
  }
  client::WriteOptions options;
  for (const auto& [key, pod] : running) {
    if (pod.deleting() || shown.count(key) != 0) continue;
    api::Object mirror(make_mirror(pod.json(), node_()));
    auto made = co_await context_.client.create(api::resources::kPods, key.ns, std::move(mirror), options);
    // A mirror that the watch will show, or a pod of somebody else that takes the name until it is deleted.
    if (!made.ok() && !made.error().is(Reason::kAlreadyExists)) out = std::move(made).error();
  }
  co_return out;
}

}  // namespace mk::kubelet
