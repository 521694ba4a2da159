#include "nodelifecycle/node_lifecycle_controller.h"

#include "kit/objects.h"
#include "nodelifecycle/node_health.h"

namespace mk::controller {

using api::resources::kNodes;
using api::resources::kPods;
namespace {
constexpr char kLeaseNamespace[] = "kube-node-lease";
}

std::vector<std::string> node_index(const api::Object& pod) {
  const auto node = api::str(pod.json(), "spec.nodeName");
  if (node.empty()) return {};
  return {std::string(node)};
}

NodeLifecycleController::NodeLifecycleController(Context& context_)
    : Controller(context_, "node-controller", 2),
      nodes_(watch(kNodes, self)),
      leases_(watch(api::resources::kLeases,
                    [this](const api::Object& before, const api::Object& after) {
                      // Only the lease of a node that is thought silent is news; the others are looked at
                      // when their time comes.
                      Keys keys;
                      if (!after || after.ns() != kLeaseNamespace) return keys;
                      const api::Key key("", std::string(after.name()));
                      const auto node = nodes_.get(key);
                      const auto* ready = node ? find_condition(node.json(), "Ready") : nullptr;
                      if (ready && api::str(*ready, "status") == "Unknown") keys.push_back(key);
                      return keys;
                    })),
      pods_(context_.informers.indexed(kPods, kByNode, node_index)) {}

// A heartbeat counts from when it was first seen: what a node writes must change, not be recent.
rt::MonoTime NodeLifecycleController::last_heard(const api::Object& node) {
  const auto lease = leases_.get(api::Key(kLeaseNamespace, std::string(node.name())));
  const std::string renewed(lease ? api::str(lease.json(), "spec.renewTime") : std::string_view());
  const auto* ready = find_condition(node.json(), "Ready");
  const std::string condition(ready ? api::str(*ready, "lastHeartbeatTime") : std::string_view());
  auto& heard = heard_[std::string(node.name())];
  if (heard.at == rt::MonoTime() || heard.renewed != renewed || heard.condition != condition) {
    heard.renewed = renewed;
    heard.condition = condition;
    heard.at = clock().mono();
  }
  return heard.at;
}

rt::Task<Result<void>> NodeLifecycleController::reconcile(api::Key key) {
  const auto node = nodes_.get(key);
  if (!node) {
    heard_.erase(key.name);
    co_return ok();
  }
  const auto silence = clock().mono() - last_heard(node);
  const auto grace = context().options.node_monitor_grace;
  if (silence >= grace) {
    MK_CO_TRY(co_await write_silence(node));
    enqueue_after(key, grace);
  } else {
    enqueue_after(key, grace - silence);
  }
  co_return co_await write_taints(key);
}

rt::Task<Result<void>> NodeLifecycleController::write_silence(api::Object node) {
  api::Json updated = node.json();
  if (node_health::mark_silent(updated, clock().now())) {
    auto done =
        co_await client().update(kNodes, api::Object(std::move(updated)), "status", client::WriteOptions());
    if (!done.ok()) co_return std::move(done).error();
    event(node, "Normal", "NodeNotReady",
          "Node " + std::string(node.name()) + " status is now: NodeNotReady");
  }
  co_return co_await mark_pods(std::string(node.name()));
}

// Nobody knows how they are; services must not send them anything.
rt::Task<Result<void>> NodeLifecycleController::mark_pods(std::string node) {
  for (const auto& pod : pods_.by_index(kByNode, node)) {
    auto updated = node_health::not_ready_status(pod.json(), clock().now());
    if (!updated) continue;
    auto done =
        co_await client().update(kPods, api::Object(std::move(*updated)), "status", client::WriteOptions());
    if (!done.ok() && !done.error().is(Reason::kNotFound)) co_return std::move(done).error();
  }
  co_return ok();
}

rt::Task<Result<void>> NodeLifecycleController::write_taints(api::Key key) {
  const auto node = nodes_.get(key);
  if (!node || node.deleting()) co_return ok();
  auto taints = node_health::corrected_taints(node.json(), clock().now());
  if (!taints) co_return ok();
  auto updated = node.with([&taints](api::Json& json) {
    if (taints->empty()) {
      api::erase(json, "spec.taints");
    } else {
      api::set(json, "spec.taints", std::move(*taints));
    }
  });
  auto done = co_await client().update(kNodes, std::move(updated), "", client::WriteOptions());
  if (done.ok() || done.error().is(Reason::kNotFound)) co_return ok();
  co_return std::move(done).error();
}

}  // namespace mk::controller
