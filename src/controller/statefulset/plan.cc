#include "statefulset/plan.h"

#include <algorithm>
#include <boost/json/object.hpp>
#include <map>

#include "kit/objects.h"
#include "statefulset/identity.h"

namespace mk::controller::statefulset {

View::View(const api::Object& set, const std::vector<api::Object>& pods, std::string current_,
           std::string update_, rt::WallTime now_)
    : current(std::move(current_)), update(std::move(update_)), now(now_) {
  const auto& json = set.json();
  ordered = api::str(json, "spec.podManagementPolicy") != "Parallel";
  rolling = api::str(json, "spec.updateStrategy.type", "RollingUpdate") == "RollingUpdate";
  first = api::num(json, "spec.ordinals.start");
  partition = api::num(json, "spec.updateStrategy.rollingUpdate.partition");
  min_ready = api::num(json, "spec.minReadySeconds");
  const auto replicas = api::num(json, "spec.replicas", 1);
  if (const auto* most = api::find(json, "spec.updateStrategy.rollingUpdate.maxUnavailable"))
    max_unavailable = std::max<std::int64_t>(scaled_value(most, replicas, true), 1);
  std::map<std::int64_t, api::Object> by_ordinal;
  for (const auto& pod : pods) {
    if (const auto ordinal = ordinal_of(set, pod)) by_ordinal.emplace(*ordinal, pod);
  }
  for (auto ordinal = first; ordinal < first + replicas; ++ordinal) {
    const auto found = by_ordinal.find(ordinal);
    slots.push_back(Slot{ordinal, found == by_ordinal.end() ? api::Object() : found->second});
  }
  for (auto at = by_ordinal.rbegin(); at != by_ordinal.rend(); ++at) {
    if (at->first < first || at->first >= first + replicas) condemned.push_back(Slot{at->first, at->second});
  }
}

bool View::healthy(const api::Object& pod) const {
  return pod && !pod.deleting() && api::str(pod.json(), "status.phase") == "Running" &&
         pod_available(pod.json(), min_ready, now);
}

const std::string& View::revision_for(std::int64_t ordinal) const {
  return rolling && ordinal < first + partition ? current : update;
}

std::string_view revision_of(const api::Object& pod) {
  return pod.label(kRevision);
}

namespace {

// True: the rest waits.
bool plan_slots(const View& view, Todo& todo) {
  for (const auto& slot : view.slots) {
    if (!slot.pod) {
      todo.create.push_back(slot.ordinal);
    } else if (pod_finished(slot.pod.json()) && !slot.pod.deleting()) {
      todo.remove.push_back(slot.pod);  // a pod that ended gives its name to a new one
    } else if (view.healthy(slot.pod)) {
      continue;
    }
    if (view.ordered) return true;
  }
  return false;
}

// Of the pods that are not healthy the one that must be first again; nullopt when all are.
std::optional<std::int64_t> first_unhealthy(const View& view) {
  std::optional<std::int64_t> lowest;
  for (const auto* slots : {&view.slots, &view.condemned}) {
    for (const auto& slot : *slots) {
      if (!view.healthy(slot.pod) && (!lowest || slot.ordinal < *lowest)) lowest = slot.ordinal;
    }
  }
  return lowest;
}

bool plan_condemned(const View& view, Todo& todo) {
  const auto unhealthy = first_unhealthy(view);
  for (const auto& slot : view.condemned) {
    if (slot.pod.deleting()) {
      if (view.ordered) return true;
      continue;
    }
    // Scaling down halts while a pod before this one is not healthy.
    if (view.ordered && !view.healthy(slot.pod) && unhealthy != slot.ordinal) return true;
    todo.remove.push_back(slot.pod);
    if (view.ordered) return true;
  }
  return false;
}

bool outdated(const View& view, const Slot& slot) {
  return slot.pod && !slot.pod.deleting() && revision_of(slot.pod) != view.update;
}

// From the top down, as many at once as may be unavailable.
void plan_update(const View& view, Todo& todo) {
  auto unavailable = std::count_if(view.slots.begin(), view.slots.end(),
                                   [&view](const Slot& slot) { return !view.healthy(slot.pod); });
  for (auto slot = view.slots.rbegin(); slot != view.slots.rend(); ++slot) {
    if (slot->ordinal < view.first + view.partition) return;
    const bool healthy = view.healthy(slot->pod);
    if (view.max_unavailable == 1) {
      // One after the other: each waits for those above it.
      if (outdated(view, *slot)) todo.remove.push_back(slot->pod);
      if (outdated(view, *slot) || !healthy) return;
      continue;
    }
    if (!outdated(view, *slot)) continue;
    if (healthy && unavailable >= view.max_unavailable) continue;
    todo.remove.push_back(slot->pod);
    if (healthy) ++unavailable;
  }
}

}  // namespace

Todo plan(const View& view) {
  Todo todo;
  if (plan_slots(view, todo) || plan_condemned(view, todo)) return todo;
  if (view.rolling && todo.remove.empty()) plan_update(view, todo);
  return todo;
}

api::Json status_of(const api::Object& set, const View& view) {
  std::int64_t replicas = 0, ready = 0, available = 0, current = 0, updated = 0;
  for (const auto* slots : {&view.slots, &view.condemned}) {
    for (const auto& slot : *slots) {
      if (!slot.pod) continue;
      ++replicas;
      const auto& json = slot.pod.json();
      if (api::str(json, "status.phase") == "Running" && pod_ready(json)) {
        ++ready;
        if (pod_available(json, view.min_ready, view.now)) ++available;
      }
      if (slot.pod.deleting()) continue;
      if (revision_of(slot.pod) == view.current) ++current;
      if (revision_of(slot.pod) == view.update) ++updated;
    }
  }
  auto current_name = view.current;
  if (view.rolling && view.current != view.update && updated == replicas && ready == replicas &&
      replicas == static_cast<std::int64_t>(view.slots.size())) {
    current_name = view.update;
    current = updated;
  }
  api::Json status = api::object(set.json(), "status");
  const auto put = [&status](const char* field, std::int64_t count) {
    if (count != 0) {
      api::set(status, field, count);
    } else {
      api::erase(status, field);
    }
  };
  api::set(status, "observedGeneration", set.generation());
  api::set(status, "replicas", replicas);
  put("readyReplicas", ready);
  put("currentReplicas", current);
  put("updatedReplicas", updated);
  api::set(status, "availableReplicas", available);
  api::set(status, "currentRevision", api::text(current_name));
  api::set(status, "updateRevision", api::text(view.update));
  return status;
}

}  // namespace mk::controller::statefulset
