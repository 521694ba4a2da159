#pragma once

#include "kit/controller.h"

namespace mk::controller {

// Says which ServiceCIDRs are ready, and holds one that is being deleted while addresses of it are in use
// that no other range contains. Keys are ServiceCIDRs.
class ServiceCidrsController : public Controller {
 public:
  explicit ServiceCidrsController(Context& context);

 private:
  rt::Task<Result<void>> reconcile(api::Key key) override;
  rt::Task<Result<void>> finish(api::Object service_cidr);
  rt::Task<Result<void>> set_ready(api::Object service_cidr, bool ready);
  client::Informer& service_cidrs_;
};

// An address that only `going` contains, and no range of `others` that stays; empty: none. Pure.
api::Object orphaned_address(const api::Object& going, const std::vector<api::Object>& others,
                             const std::vector<api::Object>& addresses);

}  // namespace mk::controller
