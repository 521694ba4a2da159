#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "mk/api/object.h"
#include "mk/rt/clock.h"

// What a PodDisruptionBudget allows. All pure.
namespace mk::controller::disruption {

// How many pods a budget is about and how many of them must be healthy.
struct Demand {
  std::int64_t expected = 0, desired_healthy = 0;
};
// Percentages and maxUnavailable are of `scale`, what the controllers of the pods want; minAvailable as a
// number is of the pods there are.
bool needs_scale(const api::Json& budget);
Demand demand(const api::Json& budget, std::int64_t pods, std::int64_t scale);

// Evictions that were granted and not carried out yet, by pod: status.disruptedPods without those that have
// happened and those that nobody carried out in time.
struct Disrupted {
  std::map<std::string, std::string> pods;  // since when
  std::vector<api::Object> expired;
  std::optional<rt::WallTime> look_again;  // when the first of them expires
};
Disrupted pending_disruptions(const api::Json& budget, const std::vector<api::Object>& pods,
                              rt::WallTime now);

// Ready, not going, and no eviction granted.
std::int64_t healthy_count(const std::vector<api::Object>& pods, const Disrupted& disrupted);

// The budget with the status that follows.
api::Json with_status(const api::Json& budget, const Demand& demand, std::int64_t healthy,
                      const Disrupted& disrupted, rt::WallTime now);
// The budget that allows nothing, because its numbers cannot be known.
api::Json with_failure(const api::Json& budget, const std::string& why, rt::WallTime now);

}  // namespace mk::controller::disruption
