#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "mk/kubelet/runtime.h"
#include "pods/pod_view.h"

// What a pod's requests and limits mean on a node: QoS class, cgroups, OOM score. Pure.
namespace mk::kubelet {

struct NodeCapacity {
  std::int64_t cpu_milli = 0, memory = 0, ephemeral_storage = 0, pods = 0;
};

enum class QosClass { kGuaranteed, kBurstable, kBestEffort };
std::string_view to_string(QosClass qos);
QosClass qos_class(const Json& pod);

// One amount of one container ("requests" or "limits"): thousandths for cpu, units otherwise; 0 where unset.
std::int64_t container_amount(const Json& container, std::string_view which, std::string_view resource);
// What a pod takes of a node: the sum of its containers, or the peak of its init phase, plus overhead.
std::int64_t pod_request(const Json& pod, std::string_view resource);

// "kubepods/burstable/pod<uid>", below the node's root cgroup.
std::string pod_cgroup(const Json& pod);
LinuxResources container_resources(const Json& container);
// Of the pod's cgroup: a limit only where every container has one.
LinuxResources pod_resources(const Json& pod);
int oom_score_adj(const Json& pod, const Json& container, const NodeCapacity& node);

}  // namespace mk::kubelet
