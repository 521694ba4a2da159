#pragma once

#include "kit/controller.h"

namespace mk::controller {

// Writes into ClusterRoles with an aggregationRule the rules of the roles it selects. Keys are those roles.
class ClusterRoleAggregationController : public Controller {
 public:
  explicit ClusterRoleAggregationController(Context& context);

 private:
  Keys aggregates_of(const api::Object& before, const api::Object& after);
  rt::Task<Result<void>> reconcile(api::Key key) override;
  client::Informer& roles_;
};

// Does the role's aggregationRule select another of these labels? Pure.
bool aggregates(const api::Object& role, const api::Object& other);
// The rules of all roles selected, by name, each once. Pure.
api::JsonArray aggregated_rules(const api::Object& role, const std::vector<api::Object>& all);

}  // namespace mk::controller
