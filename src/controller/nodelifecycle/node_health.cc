#include "nodelifecycle/node_health.h"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "kit/objects.h"
#include "mk/api/node_selector.h"

namespace mk::controller::node_health {
namespace {

constexpr char kNeverUpdated[] = "NodeStatusNeverUpdated";
constexpr char kUnknownReason[] = "NodeStatusUnknown";

std::string_view status_of(const api::Json& node, std::string_view type) {
  const auto* condition = find_condition(node, type);
  return condition ? api::str(*condition, "status") : std::string_view();
}

constexpr std::array<std::pair<const char*, const char*>, 3> kPressures = {{
    {"MemoryPressure", "node.kubernetes.io/memory-pressure"},
    {"DiskPressure", "node.kubernetes.io/disk-pressure"},
    {"PIDPressure", "node.kubernetes.io/pid-pressure"},
}};

// Is a taint with this key ours to set and to take away?
bool managed(std::string_view key) {
  if (key == kNotReady || key == kUnreachable || key == kUnschedulable) return true;
  if (key == "node.kubernetes.io/network-unavailable") return true;
  return std::any_of(kPressures.begin(), kPressures.end(),
                     [&key](const auto& pressure) { return key == pressure.second; });
}

}  // namespace

bool mark_silent(api::Json& node, rt::WallTime now) {
  bool changed = false;
  for (const char* type : {"Ready", "MemoryPressure", "DiskPressure", "PIDPressure"}) {
    if (status_of(node, type) == "Unknown") continue;
    if (find_condition(node, type)) {
      changed |= set_condition(
          node, Condition(type, "Unknown", kUnknownReason, "Kubelet stopped posting node status."), now);
    } else {
      changed |= set_condition(
          node, Condition(type, "Unknown", kNeverUpdated, "Kubelet never posted node status."), now);
    }
  }
  return changed;
}

std::vector<Taint> wanted_taints(const api::Json& node) {
  std::vector<Taint> wanted;
  const auto ready = status_of(node, "Ready");
  const char* health = ready == "False"                      ? kNotReady
                       : ready == "Unknown" || ready.empty() ? kUnreachable
                                                             : nullptr;
  // A node that has never said anything is not ready yet, rather than out of reach.
  if (ready.empty()) health = kNotReady;
  if (health) {
    wanted.push_back({health, "NoSchedule"});
    wanted.push_back({health, "NoExecute"});
  }
  for (const auto& [type, key] : kPressures) {
    if (status_of(node, type) == "True") wanted.push_back({key, "NoSchedule"});
  }
  if (status_of(node, "NetworkUnavailable") == "True") {
    wanted.push_back({"node.kubernetes.io/network-unavailable", "NoSchedule"});
  }
  if (api::flag(node, "spec.unschedulable")) wanted.push_back({kUnschedulable, "NoSchedule"});
  return wanted;
}

std::optional<api::JsonArray> corrected_taints(const api::Json& node, rt::WallTime now) {
  auto missing = wanted_taints(node);
  api::JsonArray taints;
  bool changed = false;
  for (const auto& present : api::list(node, "spec.taints")) {
    const Taint taint{std::string(api::str(present, "key")), std::string(api::str(present, "effect"))};
    const auto found = std::find(missing.begin(), missing.end(), taint);
    if (found != missing.end()) {
      missing.erase(found);
    } else if (managed(taint.key)) {
      changed = true;
      continue;
    }
    taints.push_back(present);
  }
  for (const auto& taint : missing) {
    api::JsonObject made;
    made["key"] = taint.key;
    made["effect"] = taint.effect;
    made["timeAdded"] = rt::format_time(now);
    taints.push_back(std::move(made));
    changed = true;
  }
  if (!changed) return std::nullopt;
  return taints;
}

std::optional<api::Json> not_ready_status(const api::Json& pod, rt::WallTime now) {
  const auto* ready = find_condition(pod, "Ready");
  if (!ready || api::str(*ready, "status") != "True") return std::nullopt;
  api::Json changed = pod;
  const Condition condition("Ready", "False", std::string(api::str(*ready, "reason")),
                            std::string(api::str(*ready, "message")));
  set_condition(changed, condition, now);
  return changed;
}

namespace {
// How long one taint is tolerated: nullopt not at all, Duration::max() for ever.
std::optional<rt::Duration> tolerated_for(const api::Json& pod, const api::Json& taint) {
  std::optional<rt::Duration> least;
  for (const auto& toleration : api::list(pod, "spec.tolerations")) {
    if (!api::tolerates(toleration, taint)) continue;
    auto span = rt::Duration::max();
    if (api::find(toleration, "tolerationSeconds")) {
      span = std::chrono::seconds(std::max<std::int64_t>(0, api::num(toleration, "tolerationSeconds")));
    }
    least = least ? std::min(*least, span) : span;
  }
  return least;
}
}  // namespace

std::optional<rt::Duration> time_left(const api::Json& pod, const api::JsonArray& taints, rt::WallTime seen,
                                      rt::WallTime now) {
  std::optional<rt::Duration> left;
  for (const auto& taint : taints) {
    if (api::str(taint, "effect") != "NoExecute") continue;
    const auto span = tolerated_for(pod, taint);
    if (!span) return rt::Duration(0);
    if (*span == rt::Duration::max()) continue;
    const auto since = time_at(taint, "timeAdded").value_or(seen);
    const rt::Duration remaining = since + *span - now;
    left = left ? std::min(*left, remaining) : remaining;
  }
  return left;
}

}  // namespace mk::controller::node_health
