#pragma once

#include <string>
#include <vector>

#include "mk/base/result.h"
#include "mk/rt/clock.h"

namespace mk::kubelet {

// What a node can run out of, by the names that thresholds are written with.
enum class Signal { kMemory, kNodeFs, kNodeInodes, kImageFs, kImageInodes, kPids };
std::string_view to_string(Signal signal);  // "memory.available"
// What pods and events call it: "memory", "ephemeral-storage", "inodes", "pids".
std::string_view resource_of(Signal signal);

// A count (bytes, inodes, processes), or a part of what there is.
struct Amount {
  std::int64_t value = 0;
  double percent = -1;  // less than 0: `value` holds
  std::int64_t of(std::int64_t capacity) const;
};

struct Threshold {
  Signal signal = Signal::kMemory;
  Amount least;           // crossed when less than this is available
  Amount reclaim;         // how much more than that must be free before it counts as over
  rt::Duration grace{0};  // crossed for so long before pods are evicted
  bool soft = false;      // pods get a grace period
};

// The kubelet's settings that follow Kubernetes' flags of the same names, with its defaults.
struct KubeletSettings {
  std::vector<Threshold> thresholds;
  rt::Duration pressure_transition = std::chrono::minutes(5);
  std::chrono::seconds pod_grace_max{0};      // of pods that soft thresholds evict
  int image_gc_high = 85, image_gc_low = 80;  // per cent of the images' file system
  rt::Duration image_age_min = std::chrono::minutes(2);
};

// "eviction-hard=memory.available<100Mi,nodefs.available<10%" and the like, as --kubelet-arg gives them. Hard
// thresholds replace the default ones all together. kInvalid: unknown, or malformed; the text says which.
Result<KubeletSettings> parse_kubelet_arguments(const std::vector<std::string>& arguments);

// Go's form: "5m0s", "1h30m", "500ms".
Result<rt::Duration> parse_go_duration(std::string_view text);

}  // namespace mk::kubelet
