#pragma once

#include "kit/controller.h"
#include "nodeipam/cidr_set.h"

namespace mk::controller {

// Gives every node its piece of the cluster's pod range (spec.podCIDR, spec.podCIDRs). What nodes have
// already is marked first, so that a restart never gives a piece twice.
class NodeIpamController : public Controller {
 public:
  explicit NodeIpamController(Context& context);
  void start() override;

 private:
  rt::Task<Result<void>> reconcile(api::Key key) override;
  void node_changed(const api::Object& before, const api::Object& after);

  client::Informer& nodes_;
  std::optional<CidrSet> pieces_;
};

}  // namespace mk::controller
