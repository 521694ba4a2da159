#pragma once

#include <string>
#include <vector>

#include "mk/api/json.h"
#include "mk/rt/clock.h"
#include "podautoscaler/usage.h"

// How fast an autoscaler may follow its metrics: stabilization windows and policies (spec.behavior). Pure.
namespace mk::controller::podautoscaler {

struct Policy {
  bool percent = false;
  std::int64_t value = 0;
  rt::Duration period{0};
};

struct Rules {
  enum class Select { kMax, kMin, kDisabled };
  rt::Duration window{0};
  Select select = Select::kMax;
  std::vector<Policy> policies;
};

struct Behavior {
  Rules up, down;
  Tolerance tolerance;
};
// Of the autoscaler's spec; Kubernetes' defaults where it says nothing.
Behavior parse_behavior(const api::Json& autoscaler);

// What an autoscaler remembers from one look to the next. It is lost with the process, which costs no more
// than a window's stability.
struct History {
  struct Entry {
    rt::WallTime at;
    std::int64_t count = 0;
  };
  std::vector<Entry> recommendations, ups, downs;

  void note_change(std::int64_t from, std::int64_t to, rt::WallTime now);
  void forget(const Behavior& behavior, rt::WallTime now);
};

struct Limits {
  std::int64_t min = 1, max = 1;
};

struct Verdict {
  std::int64_t replicas = 0;
  std::string stabilized;       // reason of AbleToScale: "ScaleUpStabilized", "ScaleDownStabilized" or ""
  bool limited = false;         // condition ScalingLimited
  std::string reason, message;  // of that condition
};
// `proposed` is what the metrics ask for. Notes the recommendation in the history.
Verdict follow(std::int64_t current, std::int64_t proposed, const Limits& limits, const Behavior& behavior,
               History& history, rt::WallTime now);

}  // namespace mk::controller::podautoscaler
