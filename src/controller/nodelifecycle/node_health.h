#pragma once

#include <optional>
#include <string>
#include <vector>

#include "mk/api/object.h"
#include "mk/rt/clock.h"

// What a node's silence and its conditions mean. Pure.
namespace mk::controller::node_health {

inline constexpr char kNotReady[] = "node.kubernetes.io/not-ready";
inline constexpr char kUnreachable[] = "node.kubernetes.io/unreachable";
inline constexpr char kUnschedulable[] = "node.kubernetes.io/unschedulable";

// Writes Unknown into Ready, MemoryPressure, DiskPressure and PIDPressure of a node that has gone silent.
// Says whether anything changed.
bool mark_silent(api::Json& node, rt::WallTime now);

struct Taint {
  std::string key, effect;
  bool operator==(const Taint&) const = default;
};
// The taints that follow from conditions and spec.unschedulable.
std::vector<Taint> wanted_taints(const api::Json& node);
// spec.taints with ours set right and everybody else's untouched; nullopt when they are right already.
// Times of taints that stay are kept, because toleration seconds count from them.
std::optional<api::JsonArray> corrected_taints(const api::Json& node, rt::WallTime now);

// Pods on a silent node are not ready: the pod's status with Ready False, or nullopt when it says so already.
std::optional<api::Json> not_ready_status(const api::Json& pod, rt::WallTime now);

// --- eviction by NoExecute taints
// -------------------------------------------------------------------------------- How long the pod may stay
// on a node with these taints: nullopt for ever, zero or less: it has to go now. `seen`: since when we know
// of the taints, for those that do not say when they were added.
std::optional<rt::Duration> time_left(const api::Json& pod, const api::JsonArray& taints, rt::WallTime seen,
                                      rt::WallTime now);

}  // namespace mk::controller::node_health
