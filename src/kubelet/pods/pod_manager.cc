#include "pods/pod_manager.h"

#include <dirent.h>

#include <algorithm>
#include <set>

#include "mk/api/resource.h"
#include "mk/base/files.h"
#include "mk/base/log.h"
#include "pods/admission.h"
#include "pods/events.h"
#include "pods/preemption.h"
#include "static_pods/manifest.h"

namespace mk::kubelet {

namespace {

constexpr Log kLog("kubelet");

client::ListOptions of_node(const std::string& name) {
  client::ListOptions out;
  out.field_selector = "spec.nodeName=" + name;
  return out;
}

std::vector<std::string> directories(const std::string& path) {
  std::vector<std::string> out;
  DIR* dir = ::opendir(path.c_str());
  if (dir == nullptr) return out;
  while (const dirent* entry = ::readdir(dir))
    if (entry->d_name[0] != '.') out.emplace_back(entry->d_name);
  ::closedir(dir);
  return out;
}

// "<namespace>_<name>_<uid>"; neither of the first two has an underscore.
std::string uid_of_logs(const std::string& directory) {
  return std::count(directory.begin(), directory.end(), '_') == 2 ? directory.substr(directory.rfind('_') + 1)
                                                                  : std::string();
}

}  // namespace

// Records, cgroups and processes of a pod that is gone: again until nothing is left.
rt::Task<> remove_wholly(Context& context, PodSnapshot pod) {
  std::set<std::string> sandboxes(pod.older.begin(), pod.older.end());
  sandboxes.insert(pod.sandbox.id);
  while (true) {
    for (auto id = sandboxes.begin(); id != sandboxes.end();) {
      auto removed = co_await context.runtime.containers->remove_sandbox(*id);
      if (!removed.ok())
        kLog.warn("cannot remove a sandbox, will retry", "sandbox", *id, "error", removed.error().message());
      id = removed.ok() ? sandboxes.erase(id) : std::next(id);
    }
    if (sandboxes.empty()) co_return;
    co_await context.clock.sleep_for(std::chrono::seconds(2));
  }
}

PodManager::PodManager(Context& context)
    : context_(context),
      pods_(context.client, context.clock, context.random, api::resources::kPods, "",
            of_node(context.options.node_name)),
      tasks_(context.loop.executor()) {}

rt::Task<> PodManager::start(std::function<const Json&()> node, std::vector<api::Object> statics) {
  node_ = std::move(node);
  pods_.on_change([this](const api::Object& before, const api::Object& after) {
    if (started_) on_pod(before, after);
  });
  pods_.start(tasks_);
  co_await pods_.wait_synced();
  // What runs already is admitted before what is new, the older pods first.
  auto pods = pods_.all();
  std::erase_if(pods, [](const api::Object& pod) { return is_mirror(pod.json()); });
  pods.insert(pods.begin(), statics.begin(), statics.end());
  std::map<std::string, bool> running;
  for (const auto& snapshot : co_await context_.runtime.containers->snapshot())
    running[snapshot.sandbox.pod_uid] = true;
  std::stable_sort(pods.begin(), pods.end(), [&](const api::Object& a, const api::Object& b) {
    const bool ra = running.count(std::string(a.uid())) != 0, rb = running.count(std::string(b.uid())) != 0;
    if (ra != rb) return ra;
    return api::str(a.json(), "metadata.creationTimestamp") <
           api::str(b.json(), "metadata.creationTimestamp");
  });
  started_ = true;
  for (const auto& pod : pods) add(pod);
  tasks_.spawn("pod clean-up", clean_up());
}

void PodManager::on_mirror(const api::Object& before, const api::Object& after) {
  for (PodWorker* worker : static_workers())
    if (worker->pod().key() == (after ? after : before).key()) worker->set_mirror(after);
  if (static_changed) static_changed();
}

void PodManager::add_static(const api::Object& pod) {
  add(pod);
}

std::vector<PodWorker*> PodManager::static_workers() {
  std::vector<PodWorker*> out;
  for (const auto& [uid, worker] : workers_)
    if (is_static(worker->pod().json())) out.push_back(worker.get());
  return out;
}

std::vector<api::Object> PodManager::mirrors() const {
  auto out = pods_.all();
  std::erase_if(out, [](const api::Object& pod) { return !is_mirror(pod.json()); });
  return out;
}

void PodManager::on_pod(const api::Object& before, const api::Object& after) {
  if (is_mirror((after ? after : before).json())) {
    on_mirror(before, after);
    if (before && !is_mirror(before.json())) on_pod(before, api::Object());
    return;
  }
  // A re-list may show another pod in the place of one that went meanwhile.
  if (before && (!after || after.uid() != before.uid())) {
    const auto old = workers_.find(std::string(before.uid()));
    if (old != workers_.end()) old->second->removed();
  }
  if (!after) {
    // A mirror may have waited for the name.
    if (static_changed && before) static_changed();
    return;
  }
  const auto known = workers_.find(std::string(after.uid()));
  if (known != workers_.end())
    known->second->update(after);
  else
    add(after);
}

// Pods that hold some of the node, with what they were granted.
std::vector<api::Object> PodManager::held_besides(const std::string& uid) const {
  std::vector<api::Object> out;
  for (const auto& [other, worker] : workers_)
    if (other != uid && worker->holds_resources() && !terminal_phase(worker->pod().json()))
      out.push_back(worker->granted_pod());
  return out;
}

// A critical pod that lacks room gets it from others.
std::optional<ReasonMessage> PodManager::admit_new(const Json& pod, const std::string& uid) {
  if (auto refused = refuse ? refuse(pod) : std::nullopt) return refused;
  const auto held = held_besides(uid);
  std::vector<const Json*> others;
  for (const auto& object : held) others.push_back(&object.json());
  auto refused = admit(pod, others, context_.allocatable, node_());
  if (!refused) return refused;
  const auto victims = victims_for(pod, others, context_.allocatable, node_());
  for (const auto index : victims) {
    constexpr const char* kWhy = "Preempted in order to admit critical pod";
    const Json& victim = *others[index];
    context_.events.pod(victim, "Warning", "Preempting", kWhy);
    if (PodWorker* worker = by_uid(std::string(api::str(victim, "metadata.uid"))))
      worker->evict("Preempting", kWhy, grace_period(victim));
  }
  return victims.empty() ? refused : std::nullopt;
}

void PodManager::add(const api::Object& pod) {
  const std::string uid(pod.uid());
  if (uid.empty() || workers_.count(uid) != 0) return;
  api::Object mirror;
  if (is_static(pod.json())) mirror = pods_.get(pod.key());
  if (mirror && !is_mirror(mirror.json())) mirror = api::Object();
  auto worker =
      std::make_shared<PodWorker>(context_, mirror ? api::Object(with_past(pod.json(), mirror.json())) : pod);
  worker->others = [this, uid] { return held_besides(uid); };
  if (is_static(pod.json())) worker->set_mirror(mirror);
  if (!terminal_phase(pod.json()) && !pod.deleting() &&
      api::list(pod.json(), "status.containerStatuses").empty()) {
    const auto refused = admit_new(pod.json(), uid);
    if (refused) {
      context_.events.pod(pod.json(), "Warning", refused->reason, refused->message);
      worker->reject(refused->reason, refused->message);
    }
  }
  workers_[uid] = worker;
  tasks_.spawn("pod " + pod_key(pod.json()), work(worker, uid));
}

rt::Task<> PodManager::work(std::shared_ptr<PodWorker> worker, std::string uid) {
  co_await worker->run();
  const bool was_static = is_static(worker->pod().json());
  workers_.erase(uid);
  gone_.notify_all();
  if (was_static && static_changed) static_changed();
}

// What runs without a pod in the API: deleted while this kubelet was down, or before it was wholly cleaned
// up.
rt::Task<> PodManager::remove_orphan(PodSnapshot orphan) {
  const std::string uid = orphan.sandbox.pod_uid;
  kLog.info("stopping a pod that the API no longer has", "pod",
            orphan.sandbox.pod_ns + "/" + orphan.sandbox.pod_name, "uid", uid);
  auto& runtime = *context_.runtime.containers;
  for (const auto& container : orphan.containers)
    if (!ended(container)) (void)co_await runtime.stop_container(container.id, std::chrono::seconds(10));
  co_await remove_wholly(context_, orphan);
  co_await remove_files(uid);
}

rt::Task<> PodManager::remove_files(std::string uid) {
  while (true) {
    auto result = co_await remove_pod_dir(context_, uid);
    if (result.ok()) break;
    kLog.warn("cannot remove a pod's files, will retry", "uid", uid, "error", result.error().message());
    co_await context_.clock.sleep_for(std::chrono::seconds(5));  // a CSI driver may not be there yet
  }
  auto logs = [dir = context_.options.log_dir, uid] {
    for (const auto& name : directories(dir))
      if (uid_of_logs(name) == uid) (void)remove_tree(dir + "/" + name);
  };
  co_await context_.pool.run(std::move(logs));
}

// What an earlier life of the kubelet has left of pods that are gone: in the runtime, and on the disk.
rt::Task<> PodManager::clean_up() {
  for (const auto& snapshot : co_await context_.runtime.containers->snapshot())
    if (workers_.count(snapshot.sandbox.pod_uid) == 0)
      tasks_.spawn("orphan " + snapshot.sandbox.pod_uid, remove_orphan(snapshot));
  auto list = [pods = context_.options.data_dir + "/pods", logs = context_.options.log_dir] {
    std::set<std::string> uids;
    for (auto& uid : directories(pods)) uids.insert(std::move(uid));
    for (const auto& name : directories(logs))
      if (auto uid = uid_of_logs(name); !uid.empty()) uids.insert(std::move(uid));
    return uids;
  };
  const auto found = co_await context_.pool.run(std::move(list));
  for (const auto& uid : found) {
    if (workers_.count(uid) != 0) continue;
    if (co_await context_.runtime.containers->pod(uid)) continue;
    tasks_.spawn("files of pod " + uid, remove_files(uid));
  }
}

rt::Task<> PodManager::stop() {
  const auto workers = workers_;  // those that end meanwhile leave the table
  for (const auto& [uid, worker] : workers) co_await worker->stop();
  co_await tasks_.stop();
  workers_.clear();
}

rt::Task<> PodManager::drain() {
  for (auto& [uid, worker] : workers_) worker->removed();
  while (!workers_.empty()) co_await gone_.wait();
}

void PodManager::runtime_changed(const std::string& uid) {
  const auto found = workers_.find(uid);
  if (found != workers_.end()) found->second->wake();
}

void PodManager::wake_all() {
  for (auto& [uid, worker] : workers_) worker->wake();
}

const PodWorker* PodManager::find(const std::string& ns, const std::string& name) const {
  const PodWorker* out = nullptr;
  for (const auto& [uid, worker] : workers_)
    if (worker->pod().ns() == ns && worker->pod().name() == name &&
        (out == nullptr || !worker->terminating()))
      out = worker.get();
  return out;
}

std::vector<PodWorker*> PodManager::all_workers() const {
  std::vector<PodWorker*> out;
  for (const auto& [uid, worker] : workers_) out.push_back(worker.get());
  return out;
}

PodWorker* PodManager::by_uid(const std::string& uid) const {
  const auto found = workers_.find(uid);
  return found == workers_.end() ? nullptr : found->second.get();
}

std::vector<const PodWorker*> PodManager::workers() const {
  std::vector<const PodWorker*> out;
  for (const auto& [uid, worker] : workers_) out.push_back(worker.get());
  return out;
}

}  // namespace mk::kubelet
