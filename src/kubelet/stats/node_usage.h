#pragma once

#include <string>

#include "mk/kubelet/runtime.h"

namespace mk::kubelet {

struct FileSystemUsage {
  std::int64_t capacity = 0, available = 0, inodes = 0, inodes_free = 0;
};

struct NodeUsage {
  Usage usage;
  std::int64_t memory_total = 0;
  FileSystemUsage files;  // where pods and images are
};

// Of the whole machine, from /proc. Blocking for a moment.
NodeUsage read_node_usage(const std::string& data_dir);
// The parts that read_node_usage() is made of; pure.
std::int64_t cpu_ns_of(std::string_view proc_stat, std::int64_t ticks_per_second);
Usage memory_of(std::string_view meminfo, std::int64_t& total);

}  // namespace mk::kubelet
