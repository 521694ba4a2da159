#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "mk/base/result.h"
#include "mk/rt/clock.h"

// What a kubelet's /metrics/resource says, and what two looks at it mean. Pure.
namespace mk::apiserver {

struct Reading {
  rt::WallTime at, started;  // `started`: of a container; unknown is the epoch
  double cpu_seconds = -1;   // since it began; -1: not said
  std::int64_t memory = -1;  // working set, bytes
};

struct NodeReadings {
  Reading node;
  // "namespace/pod", then container.
  std::map<std::string, std::map<std::string, Reading>> pods;
};

// kInvalid when it is no text of Prometheus' format or says nothing of the node.
Result<NodeReadings> parse_readings(std::string_view text);

struct Usage {
  std::int64_t nano_cores = 0, memory = 0;
  rt::WallTime at;
  rt::Duration window{0};
};

// The mean since `before` (nullptr: it was not there; then since it was started). nullopt: too little time, a
// counter that began anew, or something is missing.
std::optional<Usage> usage_since(const Reading* before, const Reading& now);

// As quantities and durations are spelled in metrics.k8s.io: "1234567n", "5120Ki", "15.018s".
std::string cpu_text(std::int64_t nano_cores);
std::string memory_text(std::int64_t bytes);
std::string window_text(rt::Duration window);

}  // namespace mk::apiserver
