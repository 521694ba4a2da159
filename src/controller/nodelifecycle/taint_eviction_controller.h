#pragma once

#include <unordered_map>

#include "kit/controller.h"

namespace mk::controller {

// Deletes pods from nodes whose NoExecute taints they do not tolerate, or no longer: a taint that goes in
// time leaves the pod alone.
class TaintEvictionController : public Controller {
 public:
  explicit TaintEvictionController(Context& context);

 private:
  rt::Task<Result<void>> reconcile(api::Key key) override;
  Keys pods_of_node(const api::Object& before, const api::Object& after);

  // Since when a pod is known to be on a node that it tolerates for a while only.
  struct Seen {
    std::string uid;
    rt::WallTime since;
  };
  std::unordered_map<api::Key, Seen, api::KeyHash> seen_;
  client::Informer& pods_;
  client::Informer& nodes_;
};

}  // namespace mk::controller
