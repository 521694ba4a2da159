#pragma once

#include <unordered_map>

#include "kit/pod_owner.h"
#include "replicaset/plan.h"

namespace mk::controller {

// Keeps as many pods of a template as a ReplicaSet asks for; a ReplicationController is the same thing with a
// plain map as its selector.
class ReplicaSetController : public PodOwnerController {
 public:
  static Variant replica_sets();
  static Variant replication_controllers();

  ReplicaSetController(Context& context, Variant variant);

 private:
  rt::Task<Result<void>> reconcile(api::Key key) override;
  Result<api::LabelSelector> selector_of(const api::Object& set) const override;

  rt::Task<Problem> manage(api::Object set, std::vector<api::Object> active);
  std::unordered_map<std::string, int> related_pods_per_node(const api::Object& set);
};

}  // namespace mk::controller
