#pragma once

#include <optional>
#include <string>
#include <vector>

#include "eviction/pressure.h"
#include "mk/api/object.h"
#include "status/pod_status.h"

// Which pods must go, and what they are told. Pure.
namespace mk::kubelet {

struct ContainerUse {
  std::string name;
  std::int64_t usage = 0;
};
// What one pod uses of what is short: bytes, inodes or processes.
struct PodUse {
  api::Object pod;
  std::int64_t usage = 0;
  std::vector<ContainerUse> containers;
};

// The first to be evicted first: who uses more than it asked for, then by priority, then by how much more.
std::vector<PodUse> rank(std::vector<PodUse> pods, Signal signal);

// Runs whatever happens: static pods and those of the system's priority classes.
bool is_critical(const Json& pod);

std::string eviction_message(const PodUse& pod, const Breach& breach);

// Which of its own limits of local storage a pod has passed; nullopt: none.
struct StorageUse {
  std::vector<ContainerUse> containers;  // writable layer and logs, bytes
  std::vector<ContainerUse> volumes;     // emptyDirs on disk
};
std::optional<std::string> storage_excess(const Json& pod, const StorageUse& use);
bool has_storage_limit(const Json& pod);

// May a node under that pressure take the pod? nullopt: it may.
std::optional<ReasonMessage> refuse_under_pressure(const Json& pod, const NodePressure& pressure);

std::string binary_text(std::int64_t bytes);  // "100Mi", "1234Ki"

}  // namespace mk::kubelet
