#include "daemonset/daemonset_controller.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <set>

#include "kit/objects.h"

namespace mk::controller {

using api::resources::kDaemonSets;
using api::resources::kNodes;

namespace {

constexpr std::size_t kMade = 250;  // pods made in one step
constexpr std::chrono::seconds kPauseFirst(1), kPauseMost(900);

std::vector<api::Key> nobody(const api::Object&, const api::Object&) {
  return {};
}

api::Json template_json(const api::Object& set) {
  const auto* pod_template = api::find(set.json(), "spec.template");
  return pod_template ? *pod_template : api::Json(api::JsonObject());
}

// Of a node only this says where daemons belong; heartbeats change none of it.
bool same_for_daemons(const api::Object& before, const api::Object& after) {
  return api::object(before.json(), "metadata.labels") == api::object(after.json(), "metadata.labels") &&
         api::list(before.json(), "spec.taints") == api::list(after.json(), "spec.taints");
}

}  // namespace

DaemonSetController::DaemonSetController(Context& context_)
    : PodOwnerController(context_, {"daemon-set-controller", kDaemonSets, daemonset::kSetKind}),
      nodes_(watch(kNodes, [this](const api::Object& before,
                                  const api::Object& after) { return keys_of_node(before, after); })),
      revisions_(watch_owned(kControllerRevisions, nobody)),
      history_(client(), revisions_, variant(), daemonset::kHash) {}

Controller::Keys DaemonSetController::keys_of_node(const api::Object& before, const api::Object& after) {
  if (before && after && same_for_daemons(before, after)) return {};
  Keys keys;
  for (const auto& set : owners().all()) {
    const daemonset::Demands demands(template_json(set));
    const auto on = [&demands](const api::Object& node) {
      return node ? demands.on(node) : daemonset::Placement();
    };
    if (on(before) != on(after)) keys.push_back(set.key());
  }
  return keys;
}

std::int64_t DaemonSetController::size_of(const api::Object&) const {
  return static_cast<std::int64_t>(nodes_.size());
}

rt::Task<Result<void>> DaemonSetController::reconcile(api::Key key) {
  const auto set = owners().get(key);
  if (!set) {
    expectations().forget(queue_text(key));
    pauses_.erase(queue_text(key));
    co_return ok();
  }
  std::function<bool(const api::Object&)> adoptable = [](const api::Object&) { return true; };
  MK_CO_ASSIGN(auto pods, co_await claim_pods(set, std::move(adoptable)));
  MK_CO_ASSIGN(auto revisions, co_await history_.claim(set));
  MK_CO_ASSIGN(auto current, co_await history_.current(set, revisions));
  MK_CO_TRY(co_await trim(set, pods, std::move(revisions), current));
  co_return co_await step(set, std::move(pods), std::move(current));
}

rt::Task<Result<void>> DaemonSetController::step(api::Object set, std::vector<api::Object> pods,
                                                 api::Object revision) {
  const View view(set, nodes_.all(), pods, std::string(revision.label(daemonset::kHash)), clock().now());
  auto acted = ok();
  if (!set.deleting() && may_count(set.key())) acted = co_await act(set, view);
  auto status = daemonset::status_of(set, view);
  const auto collisions = api::num(set.json(), "status.collisionCount");
  if (collisions != 0) api::set(status, "collisionCount", collisions);
  MK_CO_TRY(co_await write_status(set, std::move(status)));
  if (const auto wait = next_available(pods, view.min_ready, clock().now())) enqueue_after(set.key(), *wait);
  co_return acted;
}

rt::Task<Result<void>> DaemonSetController::act(api::Object set, View view) {
  auto todo = daemonset::plan(view);
  for (auto& pod : due_ends(set, std::move(todo.ended))) todo.remove.push_back(std::move(pod));
  if (todo.create.size() > kMade) todo.create.resize(kMade);
  if (!todo.create.empty()) {
    auto demands = std::make_shared<daemonset::Demands>(template_json(set));
    std::function<api::Json(int)> make = [set, demands, nodes = todo.create, hash = view.hash](int i) {
      return daemonset::make_pod(set, *demands, nodes[static_cast<std::size_t>(i)], hash);
    };
    const auto problem = co_await create_pods(set, static_cast<int>(todo.create.size()), std::move(make));
    if (!problem.reason.empty()) co_return Error(Reason::kUnknown, problem.message);
  }
  if (todo.remove.empty()) co_return ok();
  const auto problem = co_await delete_pods(set, std::move(todo.remove));
  if (!problem.reason.empty()) co_return Error(Reason::kUnknown, problem.message);
  co_return ok();
}

std::vector<api::Object> DaemonSetController::due_ends(const api::Object& set,
                                                       std::vector<api::Object> ended) {
  std::vector<api::Object> due;
  const auto now = clock().mono();
  for (auto& pod : ended) {
    const auto node = daemonset::node_of(pod);
    auto& pause = pauses_[queue_text(set.key())][node];
    if (pause.until > now) {
      enqueue_after(set.key(), pause.until - now);
      continue;
    }
    // A pod that lasted long has earned a fresh start.
    if (now - pause.until > 2 * kPauseMost) pause.length = rt::Duration(0);
    pause.length = pause.length == rt::Duration(0) ? rt::Duration(kPauseFirst)
                                                   : std::min<rt::Duration>(2 * pause.length, kPauseMost);
    pause.until = now + pause.length;
    const bool failed = api::str(pod.json(), "status.phase") == "Failed";
    event(set, failed ? "Warning" : "Normal", failed ? "FailedDaemonPod" : "SucceededDaemonPod",
          fmt::format("Found {} daemon pod {}/{} on node {}, will {} it", failed ? "failed" : "succeeded",
                      pod.ns(), pod.name(), node, failed ? "try to kill" : "delete"));
    due.push_back(std::move(pod));
  }
  return due;
}

rt::Task<Result<void>> DaemonSetController::trim(api::Object set, std::vector<api::Object> pods,
                                                 std::vector<api::Object> revisions, api::Object current) {
  if (set.deleting()) co_return ok();
  std::set<std::string, std::less<>> live;
  for (const auto& pod : pods) live.emplace(pod.label(daemonset::kHash));
  std::function<bool(const api::Object&)> in_use = [&live, &current](const api::Object& revision) {
    return revision.name() == current.name() || live.count(revision.label(daemonset::kHash)) != 0;
  };
  auto old = expendable_revisions(std::move(revisions), api::num(set.json(), "spec.revisionHistoryLimit", 10),
                                  in_use);
  co_return co_await history_.remove(std::move(old));
}

}  // namespace mk::controller
