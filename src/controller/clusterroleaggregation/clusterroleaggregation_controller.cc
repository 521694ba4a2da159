#include "clusterroleaggregation/clusterroleaggregation_controller.h"

#include <algorithm>
#include <set>

#include "kit/objects.h"
#include "mk/api/selector.h"

namespace mk::controller {

using api::Object;
using api::resources::kClusterRoles;

namespace {

const std::string kAggregating = "aggregating";

std::vector<std::string> aggregating_index(const Object& role) {
  return api::find(role.json(), "aggregationRule") ? std::vector<std::string>{"yes"}
                                                   : std::vector<std::string>();
}

std::set<std::string> as_set(const api::JsonArray& rules) {
  std::set<std::string> out;
  for (const auto& rule : rules) out.insert(canonical_json(rule));
  return out;
}

}  // namespace

bool aggregates(const Object& role, const Object& other) {
  if (role.name() == other.name()) return false;
  const auto& selectors = api::list(role.json(), "aggregationRule.clusterRoleSelectors");
  return std::any_of(selectors.begin(), selectors.end(), [&other](const api::Json& json) {
    const auto selector = api::LabelSelector::from_json(&json);
    return selector.ok() && selector->matches(api::object(other.json(), "metadata.labels"));
  });
}

api::JsonArray aggregated_rules(const Object& role, const std::vector<Object>& all) {
  auto roles = all;
  std::sort(roles.begin(), roles.end(), [](const Object& a, const Object& b) { return a.name() < b.name(); });
  api::JsonArray rules;
  std::set<std::string> seen;
  for (const auto& other : roles) {
    if (!aggregates(role, other)) continue;
    for (const auto& rule : api::list(other.json(), "rules")) {
      if (seen.insert(canonical_json(rule)).second) rules.push_back(rule);
    }
  }
  return rules;
}

ClusterRoleAggregationController::ClusterRoleAggregationController(Context& context_)
    : Controller(context_, "clusterrole-aggregation-controller", 1),
      roles_(watch(kClusterRoles, [this](const Object& before, const Object& after) {
        return aggregates_of(before, after);
      })) {
  context().informers.indexed(kClusterRoles, kAggregating, aggregating_index);
}

Controller::Keys ClusterRoleAggregationController::aggregates_of(const Object& before, const Object& after) {
  Keys keys;
  if (after && api::find(after.json(), "aggregationRule") != nullptr) keys.push_back(after.key());
  for (const auto& role : roles_.by_index(kAggregating, "yes")) {
    if ((before && aggregates(role, before)) || (after && aggregates(role, after)))
      keys.push_back(role.key());
  }
  return keys;
}

// The order in which rules were collected means nothing, so it alone is no reason to write.
rt::Task<Result<void>> ClusterRoleAggregationController::reconcile(api::Key key) {
  const auto role = roles_.get(key);
  if (!role || role.deleting() || api::find(role.json(), "aggregationRule") == nullptr) co_return ok();
  auto rules = aggregated_rules(role, roles_.all());
  if (as_set(rules) == as_set(api::list(role.json(), "rules"))) co_return ok();
  api::Json changed = role.json();
  api::set(changed, "rules", std::move(rules));
  auto done = co_await client().update(kClusterRoles, Object(std::move(changed)), "", client::WriteOptions());
  if (done.ok() || done.error().is(Reason::kNotFound)) co_return ok();
  co_return std::move(done).error();
}

}  // namespace mk::controller
