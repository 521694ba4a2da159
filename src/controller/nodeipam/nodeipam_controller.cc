#include "nodeipam/nodeipam_controller.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

namespace mk::controller {
namespace {
std::vector<std::string> ranges_of(const api::Object& node) {
  std::vector<std::string> ranges;
  for (const auto& range : api::list(node.json(), "spec.podCIDRs")) {
    if (range.is_string()) ranges.emplace_back(range.get_string());
  }
  const auto single = api::str(node.json(), "spec.podCIDR");
  if (ranges.empty() && !single.empty()) ranges.emplace_back(single);
  return ranges;
}
}  // namespace

// One worker: pieces are given one after another.
NodeIpamController::NodeIpamController(Context& context_)
    : Controller(context_, "node-controller", 1),
      nodes_(watch(api::resources::kNodes,
                   [this](const api::Object& before, const api::Object& after) {
                     node_changed(before, after);
                     return after && ranges_of(after).empty() ? self(before, after) : Keys();
                   })),
      pieces_(CidrSet::make(context_.options.cluster_cidr, context_.options.node_cidr_mask)) {}

void NodeIpamController::start() {
  if (!pieces_) {
    log().error("cluster-cidr is no IPv4 range that can be cut into node pieces; nodes get no pod addresses",
                "cluster_cidr", context().options.cluster_cidr);
    return;
  }
  Controller::start();
}

// Runs for every node before the workers start, and for each change after.
void NodeIpamController::node_changed(const api::Object& before, const api::Object& after) {
  if (!pieces_) return;
  if (!after) {
    for (const auto& range : ranges_of(before)) pieces_->release(range);
    return;
  }
  for (const auto& range : ranges_of(after)) pieces_->occupy(range);
}

rt::Task<Result<void>> NodeIpamController::reconcile(api::Key key) {
  const auto node = nodes_.get(key);
  if (!node || node.deleting() || !ranges_of(node).empty()) co_return ok();
  const auto range = pieces_->take();
  if (!range) {
    event(node, "Warning", "CIDRNotAvailable", "Node " + key.name + " status is now: CIDRNotAvailable");
    co_return Error(Reason::kServiceUnavailable,
                    "no pod range left; use a larger --cluster-cidr or smaller node ranges");
  }
  api::JsonArray ranges;
  ranges.emplace_back(*range);
  api::Json patch{api::JsonObject()};
  api::set(patch, "spec.podCIDR", api::text(*range));
  api::set(patch, "spec.podCIDRs", std::move(ranges));
  auto done = co_await client().patch(api::resources::kNodes, key, "", client::PatchType::kMerge,
                                      std::move(patch), client::WriteOptions());
  if (done.ok()) co_return ok();
  pieces_->release(*range);
  if (done.error().is(Reason::kNotFound)) co_return ok();
  co_return std::move(done).error();
}

}  // namespace mk::controller
