#pragma once

#include <cstdint>
#include <string>

#include "mk/base/result.h"
#include "pods/resources.h"

namespace mk::kubelet {

// What this machine is. Read once at start.
struct NodeFacts {
  NodeCapacity capacity;
  std::int64_t hugepages_1gi = 0, hugepages_2mi = 0;  // bytes
  std::string machine_id, system_uuid, boot_id, kernel_version, os_image, architecture;
};

NodeFacts read_node_facts(const std::string& data_dir, int max_pods);  // blocking

// What the node is short of.
struct NodePressure {
  bool memory = false, disk = false, pids = false;
  bool operator==(const NodePressure&) const = default;
};

}  // namespace mk::kubelet
