#pragma once

#include <optional>
#include <string>
#include <vector>

#include "mk/api/json.h"
#include "podautoscaler/usage.h"

// The metrics of an autoscaler's spec, and how its status shows them. Pure.
namespace mk::controller::podautoscaler {

struct Metric {
  std::string type;              // "Resource", "ContainerResource" ...
  std::optional<Target> target;  // nullopt: a type that nothing here measures
  std::string name() const;      // in messages: "cpu resource utilization (percentage of request)"
};

// CPU at 80 per cent where the spec (or the older form's targetCPUUtilizationPercentage) says nothing.
std::vector<Metric> metrics_of(const api::Json& autoscaler);

// An entry of status.currentMetrics.
api::Json metric_status(const Metric& metric, const Proposal& measured);

}  // namespace mk::controller::podautoscaler
