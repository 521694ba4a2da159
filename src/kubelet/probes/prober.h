#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>

#include "context.h"
#include "mk/kubelet/runtime.h"
#include "mk/rt/event.h"
#include "mk/rt/group.h"
#include "pods/pod_view.h"

namespace mk::kubelet {

enum class ProbeType { kStartup, kReadiness, kLiveness };

// The probes of one pod's running containers, one task each. Readiness and liveness wait for startup.
class Prober {
 public:
  // `changed` runs when a result changed what ready(), started() or unhealthy() say.
  Prober(Context& context, std::function<void()> changed);

  // Starts probes of containers that run, ends those of containers that do not. `terminating`: startup and
  // liveness no longer matter; readiness goes on.
  void update(const api::Object& pod, const PodSnapshot& snapshot, bool terminating);
  rt::Task<> stop();

  const std::set<std::string>& ready() const { return ready_; }
  const std::set<std::string>& started() const { return started_; }
  // Containers to kill: id to the probe's kind ("liveness probe").
  const std::map<std::string, std::string>& unhealthy() const { return unhealthy_; }

 private:
  struct Probe {
    ProbeType type = ProbeType::kReadiness;
    api::Object pod;  // keeps the definition alive
    std::string container, container_id, pod_ip;
    const Json* spec = nullptr;        // the probe
    const Json* definition = nullptr;  // the container
    rt::WallTime container_started;
  };

  void begin(const api::Object& pod, const Json& container, const ContainerStatus& status,
             const std::string& pod_ip);
  void spawn(Probe probe, bool adopted);
  rt::Task<> run(Probe probe, bool adopted);
  void report(const Probe& probe, bool success);
  void forget(const std::string& container_id);

  Context& context_;
  std::function<void()> changed_;
  std::set<std::string> known_;  // container ids that have their tasks
  std::set<std::string> ready_, started_;
  std::map<std::string, std::string> unhealthy_;
  rt::Event progress_;  // something started or was forgotten
  bool terminating_ = false;
  rt::Group tasks_;
};

}  // namespace mk::kubelet
