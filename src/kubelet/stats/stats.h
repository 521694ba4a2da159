#pragma once

#include <map>
#include <string>
#include <vector>

#include "mk/api/json.h"
#include "stats/node_usage.h"

namespace mk::kubelet {

// One look at the node and its pods.
struct Sample {
  rt::WallTime at;
  NodeUsage node;
  std::vector<PodUsage> pods;
};

// Cores in use, in 10^-9: what two looks differ by. Answers from the two latest that are a second apart.
class CpuRates {
 public:
  void add(const Sample& sample);
  // Of the node (""), a pod (its uid) or a container (its id); -1: not known yet.
  std::int64_t nano_cores(const std::string& id) const;

 private:
  rt::WallTime at_;
  std::map<std::string, std::int64_t> last_, rates_;
};

// All pure. The kubelet's /stats/summary, /metrics/resource and /metrics/cadvisor.
api::Json summary_of(const Sample& sample, const CpuRates& rates, const std::string& node_name);
std::string resource_metrics(const Sample& sample);
std::string cadvisor_metrics(const Sample& sample, int cores);

}  // namespace mk::kubelet
