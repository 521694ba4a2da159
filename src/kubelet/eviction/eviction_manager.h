#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "context.h"
#include "eviction/pressure.h"
#include "eviction/pressure_alarm.h"
#include "eviction/rank.h"
#include "mk/rt/group.h"
#include "pods/pod_manager.h"

namespace mk::kubelet {

// Keeps the node alive when it runs out of memory, disk or processes: says so in the node's conditions, makes
// room on the disk, and else ends one pod after the other until there is enough. Also ends pods that pass
// their own limits of local storage.
class EvictionManager {
 public:
  struct Hooks {
    std::function<void()> pressure_changed;
    std::function<rt::Task<>()> drop_images;  // those that nobody needs
  };
  EvictionManager(Context& context, PodManager& pods, KubeletSettings settings, Hooks hooks);

  void start(rt::Group& group);

 private:
  rt::Task<> run();
  rt::Task<bool> look();  // true: a pod was ended, look again at once
  rt::Task<Verdict> observe();
  void tell(const NodePressure& pressure);
  rt::Task<bool> evict_over_limits();
  rt::Task<bool> relieve(Breach breach);
  rt::Task<std::vector<PodUse>> measure(Signal signal);
  rt::Task<> measure_processes(std::vector<PodUse>& pods, Signal signal);
  rt::Task<StorageUse> storage_of(const PodWorker& worker, bool inodes);
  rt::Task<bool> evict(std::string uid, std::string message, std::chrono::seconds grace);
  rt::Task<> make_room();  // without touching what runs
  std::vector<PodWorker*> candidates() const;

  Context& context_;
  PodManager& pods_;
  const KubeletSettings settings_;
  Hooks hooks_;
  PressureTracker tracker_;
  PressureAlarm alarm_;
  rt::MonoTime storage_due_;
};

}  // namespace mk::kubelet
