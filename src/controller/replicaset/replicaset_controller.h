#pragma once

#include "kit/claim.h"
#include "kit/controller.h"
#include "replicaset/plan.h"

namespace mk::controller {

// Keeps as many pods of a template as a ReplicaSet asks for; a ReplicationController is the same thing with a
// plain map as its selector.
class ReplicaSetController : public Controller {
 public:
  struct Variant {
    std::string name;
    api::Gvr resource;
    api::Gvk kind;
  };
  static Variant replica_sets();
  static Variant replication_controllers();

  ReplicaSetController(Context& context, Variant variant);

 private:
  using Problem = replicaset::Problem;

  rt::Task<Result<void>> reconcile(api::Key key) override;
  Result<api::LabelSelector> selector_of(const api::Object& set) const;
  Keys keys_of_pod(const api::Object& before, const api::Object& after);
  void add_matching(const api::Object& orphan, Keys& keys);

  rt::Task<Problem> manage(api::Object set, std::vector<api::Object> active);
  rt::Task<Problem> create_pods(api::Object set, int count);
  rt::Task<Problem> delete_pods(api::Object set, std::vector<api::Object> pods);
  rt::Task<> create_pod(api::Object set, std::shared_ptr<Problem> problem);
  rt::Task<> delete_pod(api::Object set, api::Object pod, std::shared_ptr<Problem> problem);
  std::unordered_map<std::string, int> related_pods_per_node(const api::Object& set);
  rt::Task<Result<void>> write_status(api::Object set, std::vector<api::Object> active,
                                      std::size_t terminating, Problem problem);

  Variant variant_;
  client::Informer& sets_;
  client::Informer& pods_;
};

}  // namespace mk::controller
