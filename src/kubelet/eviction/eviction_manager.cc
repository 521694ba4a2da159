#include "eviction/eviction_manager.h"

#include <fmt/core.h>

#include <algorithm>

#include "eviction/disk_use.h"
#include "mk/base/log.h"
#include "pods/events.h"

namespace mk::kubelet {

namespace {

constexpr Log kLog("kubelet");
constexpr auto kLook = std::chrono::seconds(10);
constexpr auto kStorageLook =
    std::chrono::seconds(9);       // less than kLook, so that none of its looks is left out
constexpr int kStorageShare = 20;  // at most a twentieth of the time
constexpr auto kLeastApart = std::chrono::seconds(1);  // however often the alarm rings
constexpr auto kPatience = std::chrono::seconds(30);   // for a pod to end
constexpr auto kDiscardPatience = std::chrono::seconds(5);
constexpr auto kEndPoll = std::chrono::milliseconds(200);
constexpr std::chrono::seconds kHardGrace{1};

bool is_disk(Signal signal) {
  return resource_of(signal) == "ephemeral-storage" || resource_of(signal) == "inodes";
}

struct Folders {
  std::string name;
  std::vector<std::string> paths;
};

std::vector<ContainerUse> measure_folders(const std::vector<Folders>& wanted, bool inodes) {
  std::vector<ContainerUse> out;
  for (const auto& [name, paths] : wanted) {
    ContainerUse use{name, 0};
    for (const auto& path : paths) {
      const DiskUse disk = disk_use(path);
      use.usage += inodes ? disk.inodes : disk.bytes;
    }
    out.push_back(std::move(use));
  }
  return out;
}

}  // namespace

EvictionManager::EvictionManager(Context& context, PodManager& pods, KubeletSettings settings, Hooks hooks)
    : context_(context),
      pods_(pods),
      settings_(std::move(settings)),
      hooks_(std::move(hooks)),
      tracker_(settings_.thresholds, settings_.pressure_transition),
      alarm_(context.loop.executor()) {}

void EvictionManager::start(rt::Group& group) {
  group.spawn("eviction", run());
}

rt::Task<> EvictionManager::run() {
  while (true) {
    if (co_await look()) continue;
    co_await context_.clock.sleep_for(kLeastApart);
    co_await alarm_.wait(context_.clock, kLook - kLeastApart);
  }
}

rt::Task<Verdict> EvictionManager::observe() {
  auto read = [dir = context_.options.data_dir] { return read_signals(dir); };
  const Observations seen = co_await context_.pool.run(std::move(read));
  Verdict verdict = tracker_.look(seen, context_.clock.mono());
  tell(verdict.pressure);
  co_return verdict;
}

void EvictionManager::tell(const NodePressure& pressure) {
  const NodePressure before = context_.pressure;
  if (pressure == before) return;
  context_.pressure = pressure;
  const auto event = [&](bool was, bool is, const char* bad, const char* good) {
    if (was == is) return;
    const char* reason = is ? bad : good;
    context_.events.node("Normal", reason,
                         fmt::format("Node {} status is now: {}", context_.options.node_name, reason));
  };
  event(before.memory, pressure.memory, "NodeHasInsufficientMemory", "NodeHasSufficientMemory");
  event(before.disk, pressure.disk, "NodeHasDiskPressure", "NodeHasNoDiskPressure");
  event(before.pids, pressure.pids, "NodeHasInsufficientPID", "NodeHasSufficientPID");
  hooks_.pressure_changed();
}

rt::Task<bool> EvictionManager::look() {
  const Verdict verdict = co_await observe();
  if (co_await evict_over_limits()) co_return true;
  if (verdict.act.empty()) co_return false;
  const Breach first = verdict.act.front();
  co_return co_await relieve(first);
}

rt::Task<bool> EvictionManager::relieve(Breach breach) {
  const auto signal = breach.threshold.signal;
  context_.events.node("Warning", "EvictionThresholdMet",
                       fmt::format("Attempting to reclaim {}", resource_of(signal)));
  if (is_disk(signal)) {
    co_await make_room();
    const Verdict after = co_await observe();
    const auto still = std::find_if(after.act.begin(), after.act.end(),
                                    [&](const Breach& each) { return each.threshold.signal == signal; });
    if (still == after.act.end()) co_return true;
    breach.seen = still->seen;
  }
  auto pods = rank(co_await measure(signal), signal);
  for (const auto& use : pods) {
    if (is_critical(use.pod.json())) continue;
    auto grace = kHardGrace;
    if (breach.threshold.soft)
      grace = std::max(kHardGrace, std::min(settings_.pod_grace_max, grace_period(use.pod.json())));
    if (co_await evict(std::string(use.pod.uid()), eviction_message(use, breach), grace)) co_return true;
  }
  kLog.warn("the node is under pressure and no pod can be evicted", "resource", resource_of(signal));
  co_return false;
}

// Containers that have ended first: then nobody needs their images.
rt::Task<> EvictionManager::make_room() {
  const auto heavy = [](const PodWorker* worker) { return worker->has_dead_weight(); };
  auto workers = pods_.all_workers();
  for (PodWorker* worker : workers)
    if (heavy(worker)) worker->discard_containers();
  const auto until = context_.clock.mono() + kDiscardPatience;
  while (std::any_of(workers.begin(), workers.end(), heavy) && context_.clock.mono() < until) {
    co_await context_.clock.sleep_for(kEndPoll);
    workers = pods_.all_workers();
  }
  co_await hooks_.drop_images();
}

std::vector<PodWorker*> EvictionManager::candidates() const {
  auto out = pods_.all_workers();
  std::erase_if(out, [](const PodWorker* worker) {
    return !worker->holds_resources() || worker->terminating() || terminal_phase(worker->pod().json());
  });
  return out;
}

// Walks over files, so the more there are the rarer it is.
rt::Task<bool> EvictionManager::evict_over_limits() {
  const auto began = context_.clock.mono();
  if (began < storage_due_) co_return false;
  std::vector<std::pair<std::string, std::string>> over;
  std::vector<std::string> limited;
  for (const PodWorker* worker : candidates())
    if (has_storage_limit(worker->pod().json())) limited.emplace_back(worker->pod().uid());
  for (const auto& uid : limited) {
    const PodWorker* worker = pods_.by_uid(uid);
    if (worker == nullptr) continue;
    const api::Object pod = worker->pod();
    const StorageUse use = co_await storage_of(*worker, false);
    if (auto why = storage_excess(pod.json(), use)) over.emplace_back(uid, std::move(*why));
  }
  const auto ended = context_.clock.mono();
  storage_due_ = ended + std::max<rt::Duration>(kStorageLook, kStorageShare * (ended - began));
  bool any = false;
  for (auto& [uid, why] : over) any = co_await evict(uid, std::move(why), kHardGrace) || any;
  co_return any;
}

// The worker may end while this waits: everything that is needed of it is read first.
rt::Task<StorageUse> EvictionManager::storage_of(const PodWorker& worker, bool inodes) {
  const api::Object pod = worker.pod();
  const PodPaths paths = worker.paths();
  std::vector<Folders> containers, volumes;
  for (const auto& container : all_containers(pod.json())) {
    Folders folders{std::string(container.name()), {paths.logs + "/" + std::string(container.name())}};
    if (worker.snapshot())
      for (const auto& status : worker.snapshot()->containers)
        if (status.name == folders.name && !status.writable_layer.empty())
          folders.paths.push_back(status.writable_layer);
    containers.push_back(std::move(folders));
  }
  for (const Json& volume : api::list(pod.json(), "spec.volumes")) {
    const Json* source = api::find(volume, "emptyDir");
    if (source == nullptr || api::str(*source, "medium") == "Memory") continue;
    const std::string name(api::str(volume, "name"));
    volumes.push_back({name, {paths.volume("kubernetes.io~empty-dir", name)}});
  }
  auto work = [containers, volumes, inodes] {
    return StorageUse{measure_folders(containers, inodes), measure_folders(volumes, inodes)};
  };
  co_return co_await context_.pool.run(std::move(work));
}

rt::Task<std::vector<PodUse>> EvictionManager::measure(Signal signal) {
  std::vector<PodUse> out;
  for (const PodWorker* worker : candidates()) out.push_back({worker->pod(), 0, {}});
  if (!is_disk(signal)) {
    co_await measure_processes(out, signal);
    co_return out;
  }
  const bool inodes = resource_of(signal) == "inodes";
  for (auto& use : out) {
    const PodWorker* worker = pods_.by_uid(std::string(use.pod.uid()));
    if (worker == nullptr) continue;
    const StorageUse storage = co_await storage_of(*worker, inodes);
    use.containers = storage.containers;
    for (const auto* list : {&storage.containers, &storage.volumes})
      for (const auto& each : *list) use.usage += each.usage;
  }
  co_return out;
}

rt::Task<> EvictionManager::measure_processes(std::vector<PodUse>& pods, Signal signal) {
  const auto amount = [signal](const Usage& usage) {
    return std::max<std::int64_t>(0, signal == Signal::kPids ? usage.processes : usage.working_set);
  };
  for (const PodUsage& used : co_await context_.runtime.containers->usage()) {
    const auto found = std::find_if(pods.begin(), pods.end(),
                                    [&](const PodUse& each) { return each.pod.uid() == used.uid; });
    if (found == pods.end()) continue;
    found->usage = amount(used.usage);
    for (const auto& container : used.containers)
      found->containers.push_back({container.name, amount(container.usage)});
  }
}

rt::Task<bool> EvictionManager::evict(std::string uid, std::string message, std::chrono::seconds grace) {
  PodWorker* worker = pods_.by_uid(uid);
  if (worker == nullptr || !worker->holds_resources()) co_return false;
  const Json& pod = worker->pod().json();
  if (is_critical(pod)) co_return false;
  kLog.warn("evicting a pod", "pod", pod_key(pod), "why", message);
  context_.events.pod(pod, "Warning", "Evicted", message);
  worker->evict("Evicted", std::move(message), grace);
  const auto until = context_.clock.mono() + kPatience + grace;
  while (context_.clock.mono() < until) {
    const PodWorker* now = pods_.by_uid(uid);
    if (now == nullptr || now->stopped()) break;
    co_await context_.clock.sleep_for(kEndPoll);
  }
  co_return true;
}

}  // namespace mk::kubelet
