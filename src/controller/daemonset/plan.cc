#include "daemonset/plan.h"

#include <algorithm>
#include <boost/json/object.hpp>

#include "kit/objects.h"

namespace mk::controller::daemonset {

View::View(const api::Object& set, const std::vector<api::Object>& nodes,
           const std::vector<api::Object>& pods, std::string hash_, rt::WallTime now_)
    : hash(std::move(hash_)), generation(template_generation(set)), now(now_) {
  const auto& json = set.json();
  const auto* pod_template = api::find(json, "spec.template");
  const Demands demands(pod_template ? *pod_template : api::Json(api::JsonObject()));
  for (const auto& node : nodes) {
    auto& site = sites[std::string(node.name())];
    site.exists = true;
    site.placement = demands.on(node);
    if (site.placement.run) ++desired;
  }
  for (const auto& pod : pods) sites[node_of(pod)].pods.push_back(pod);
  for (auto& [name, site] : sites) {
    std::stable_sort(site.pods.begin(), site.pods.end(), [](const api::Object& a, const api::Object& b) {
      return created_at(a) < created_at(b);
    });
  }
  rolling = api::str(json, "spec.updateStrategy.type", "RollingUpdate") == "RollingUpdate";
  min_ready = api::num(json, "spec.minReadySeconds");
  max_surge = scaled_value(api::find(json, "spec.updateStrategy.rollingUpdate.maxSurge"), desired, true);
  const auto* most = api::find(json, "spec.updateStrategy.rollingUpdate.maxUnavailable");
  max_unavailable = most ? scaled_value(most, desired, true) : 1;
  if (max_surge == 0 && max_unavailable == 0) max_unavailable = 1;
}

bool View::updated(const api::Object& pod) const {
  return pod.label(kHash) == hash || (!generation.empty() && pod.label(kGeneration) == generation);
}

bool View::available(const api::Object& pod) const {
  return !pod.deleting() && pod_available(pod.json(), min_ready, now);
}

namespace {

// The pods of a node that count: the oldest of each revision.
struct Pair {
  api::Object fresh, old;
  bool going = false;
};
Pair pair_of(const View& view, const Site& site) {
  Pair pair;
  for (const auto& pod : site.pods) {
    pair.going = pair.going || pod.deleting();
    if (pod.deleting() || pod_finished(pod.json())) continue;
    auto& slot = view.updated(pod) ? pair.fresh : pair.old;
    if (!slot) slot = pod;
  }
  return pair;
}

// More than one pod of a set on a node: the oldest stays, during a surge one of each revision.
void remove_doubles(const View& view, const Site& site, Todo& todo) {
  bool has_fresh = false, has_old = false;
  const bool surging = view.rolling && view.max_surge > 0;
  for (const auto& pod : site.pods) {
    if (pod.deleting() || pod_finished(pod.json())) continue;
    bool& has = surging && view.updated(pod) ? has_fresh : has_old;
    if (has) todo.remove.push_back(pod);
    has = true;
  }
}

void plan_site(const View& view, const std::string& node, const Site& site, Todo& todo) {
  if (!site.placement.stay) {
    for (const auto& pod : site.pods) {
      // On a node that is gone a pod may have run; only who waits for it waits in vain.
      const bool ours = site.exists || api::str(pod.json(), "spec.nodeName").empty();
      if (ours && !pod.deleting()) todo.remove.push_back(pod);
    }
    return;
  }
  for (const auto& pod : site.pods) {
    if (!pod.deleting() && pod_finished(pod.json())) todo.ended.push_back(pod);
  }
  // A pod that is still going holds the node: two would fight for its ports and files.
  if (site.placement.run && site.pods.empty()) todo.create.push_back(node);
  remove_doubles(view, site, todo);
}

void update_in_place(const View& view, Todo& todo) {
  std::int64_t unavailable = 0;
  std::vector<api::Object> candidates;
  for (const auto& [node, site] : view.sites) {
    if (!site.placement.run) continue;
    const auto pair = pair_of(view, site);
    if (!pair.fresh && pair.old && !pair.going) {
      if (view.available(pair.old)) {
        candidates.push_back(pair.old);
        continue;
      }
      todo.remove.push_back(pair.old);  // costs nothing
    }
    if (!pair.fresh || !view.available(pair.fresh)) ++unavailable;
  }
  for (const auto& pod : candidates) {
    if (unavailable >= view.max_unavailable) return;
    todo.remove.push_back(pod);
    ++unavailable;
  }
}

void update_with_surge(const View& view, Todo& todo) {
  std::int64_t surging = 0;
  std::vector<std::string> candidates;
  for (const auto& [node, site] : view.sites) {
    if (!site.placement.run) continue;
    const auto pair = pair_of(view, site);
    if (!pair.old) continue;
    if (pair.fresh && view.available(pair.fresh)) {
      todo.remove.push_back(pair.old);
    } else if (pair.fresh) {
      ++surging;
    } else if (!view.available(pair.old)) {
      todo.create.push_back(node);  // nothing to preserve
    } else {
      candidates.push_back(node);
    }
  }
  for (const auto& node : candidates) {
    if (surging++ >= view.max_surge) return;
    todo.create.push_back(node);
  }
}

}  // namespace

Todo plan(const View& view) {
  Todo todo;
  for (const auto& [node, site] : view.sites) plan_site(view, node, site, todo);
  const bool settled = todo.create.empty() && todo.remove.empty();
  if (!view.rolling || !settled) return todo;
  if (view.max_surge > 0) {
    update_with_surge(view, todo);
  } else {
    update_in_place(view, todo);
  }
  return todo;
}

api::Json status_of(const api::Object& set, const View& view) {
  std::int64_t current = 0, missed = 0, ready = 0, available = 0, updated = 0;
  for (const auto& [node, site] : view.sites) {
    if (!site.exists) continue;
    if (!site.placement.run) {
      if (!site.pods.empty()) ++missed;
      continue;
    }
    if (site.pods.empty()) continue;
    ++current;
    bool is_ready = false, is_available = false, is_updated = false;
    for (const auto& pod : site.pods) {
      is_ready = is_ready || (!pod.deleting() && pod_ready(pod.json()));
      is_available = is_available || view.available(pod);
      is_updated = is_updated || view.updated(pod);
    }
    ready += is_ready;
    available += is_available;
    updated += is_updated;
  }
  api::Json status = api::object(set.json(), "status");
  const auto put = [&status](const char* field, std::int64_t count) {
    if (count != 0) {
      api::set(status, field, count);
    } else {
      api::erase(status, field);
    }
  };
  api::set(status, "currentNumberScheduled", current);
  api::set(status, "numberMisscheduled", missed);
  api::set(status, "desiredNumberScheduled", view.desired);
  api::set(status, "numberReady", ready);
  api::set(status, "observedGeneration", set.generation());
  put("updatedNumberScheduled", updated);
  put("numberAvailable", available);
  put("numberUnavailable", view.desired - available);
  return status;
}

}  // namespace mk::controller::daemonset
