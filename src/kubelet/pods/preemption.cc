#include "pods/preemption.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "eviction/rank.h"

namespace mk::kubelet {

namespace {

bool fits(const Json& pod, const std::vector<const Json*>& others, const std::set<std::size_t>& gone,
          const NodeCapacity& node, const Json& node_object) {
  std::vector<const Json*> left;
  for (std::size_t i = 0; i < others.size(); ++i)
    if (gone.count(i) == 0) left.push_back(others[i]);
  return !admit(pod, left, node, node_object);
}

int worth(const Json& pod) {
  const auto qos = qos_class(pod);
  return qos == QosClass::kBestEffort ? 0 : qos == QosClass::kBurstable ? 1 : 2;
}

}  // namespace

std::vector<std::size_t> victims_for(const Json& critical, const std::vector<const Json*>& others,
                                     const NodeCapacity& node, const Json& node_object) {
  const auto refused = admit(critical, others, node, node_object);
  if (!is_critical(critical) || !refused || !refused->reason.starts_with("OutOf")) return {};
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < others.size(); ++i)
    if (!is_critical(*others[i])) order.push_back(i);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return std::make_pair(worth(*others[a]), api::num(*others[a], "spec.priority")) <
           std::make_pair(worth(*others[b]), api::num(*others[b], "spec.priority"));
  });
  std::set<std::size_t> gone;
  std::vector<std::size_t> taken;
  for (const auto index : order) {
    if (fits(critical, others, gone, node, node_object)) break;
    gone.insert(index);
    taken.push_back(index);
  }
  if (!fits(critical, others, gone, node, node_object)) return {};
  // The dearest first: who turns out not to be in the way stays.
  for (auto it = taken.rbegin(); it != taken.rend(); ++it) {
    gone.erase(*it);
    if (!fits(critical, others, gone, node, node_object)) gone.insert(*it);
  }
  return {gone.begin(), gone.end()};
}

}  // namespace mk::kubelet
