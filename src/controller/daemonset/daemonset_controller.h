#pragma once

#include <unordered_map>

#include "daemonset/plan.h"
#include "kit/pod_owner.h"
#include "kit/revisions.h"

namespace mk::controller {

// Keeps one pod of a DaemonSet on every node that should have one.
class DaemonSetController : public PodOwnerController {
 public:
  explicit DaemonSetController(Context& context);

 private:
  using View = daemonset::View;

  rt::Task<Result<void>> reconcile(api::Key key) override;
  Keys keys_of_node(const api::Object& before, const api::Object& after);
  std::int64_t size_of(const api::Object& set) const override;
  rt::Task<Result<void>> step(api::Object set, std::vector<api::Object> pods, api::Object revision);
  rt::Task<Result<void>> act(api::Object set, View view);
  // Those of the ended pods that may be removed now; the others' time wakes the set.
  std::vector<api::Object> due_ends(const api::Object& set, std::vector<api::Object> ended);
  rt::Task<Result<void>> trim(api::Object set, std::vector<api::Object> pods,
                              std::vector<api::Object> revisions, api::Object current);

  // A pod that ends again and again on a node is replaced after growing pauses.
  struct Pause {
    rt::Duration length{0};
    rt::MonoTime until{};
  };

  client::Informer& nodes_;
  client::Informer& revisions_;
  RevisionHistory history_;
  std::unordered_map<std::string, std::unordered_map<std::string, Pause>> pauses_;  // by set, and node
};

}  // namespace mk::controller
