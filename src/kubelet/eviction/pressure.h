#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "eviction/settings.h"
#include "node/node_facts.h"

namespace mk::kubelet {

struct Observation {
  std::int64_t available = 0, capacity = 0;
};
using Observations = std::map<Signal, Observation>;  // without what this machine does not say

// Reads the signals: /proc and two statvfs. Blocking for a moment.
Observations read_signals(const std::string& data_dir);

struct Breach {
  Threshold threshold;
  Observation seen;
};

struct Verdict {
  NodePressure pressure;
  std::vector<Breach> act;  // crossed for longer than their grace, what is most urgent first
};

// What a series of looks at the node means. Pure but for what it remembers: since when thresholds are
// crossed, and when the node was under pressure last, for conditions outlive their cause by the transition
// period.
class PressureTracker {
 public:
  PressureTracker(std::vector<Threshold> thresholds, rt::Duration transition)
      : thresholds_(std::move(thresholds)), transition_(transition) {}
  Verdict look(const Observations& seen, rt::MonoTime now);

 private:
  struct Kind;
  std::vector<Threshold> thresholds_;
  rt::Duration transition_;
  std::map<std::size_t, rt::MonoTime> crossed_;          // by index of the threshold
  std::map<std::string_view, rt::MonoTime> last_under_;  // by resource
};

}  // namespace mk::kubelet
