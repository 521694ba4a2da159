#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "mk/api/object.h"
#include "mk/base/result.h"
#include "mk/rt/clock.h"

// How many replicas a resource metric asks for (Kubernetes' documentation, "Horizontal Pod Autoscaling:
// algorithm details"). All pure. Amounts are in thousandths of the resource's unit.
namespace mk::controller::podautoscaler {

// One metric of type Resource or ContainerResource.
struct Target {
  std::string resource;                     // "cpu", "memory"
  std::string container;                    // "": the whole pod
  std::optional<std::int64_t> utilization;  // per cent of the requests, else
  std::int64_t average = 0;                 // per pod
};

// Around the target, within which nothing changes: a part of it.
struct Tolerance {
  double up = 0.1, down = 0.1;
};

struct Sample {
  std::int64_t value = 0;
  rt::WallTime at;
  rt::Duration window{0};
};
using Samples = std::map<std::string, Sample>;  // by pod name

// The samples of PodMetrics; pods that lack the resource or the container are left out.
Samples samples_of(const std::vector<api::Object>& pod_metrics, const Target& target);

struct Proposal {
  std::int64_t replicas = 0;
  std::optional<std::int64_t> utilization;  // as measured
  std::int64_t average = 0;
  rt::WallTime at;  // of the newest sample
};

// kInvalid, with what the condition ScalingActive then says: no metrics, or a request is missing.
Result<Proposal> propose(const Target& target, std::int64_t current, const std::vector<api::Object>& pods,
                         Samples samples, const Tolerance& tolerance, rt::WallTime now);

}  // namespace mk::controller::podautoscaler
