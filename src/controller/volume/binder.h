#pragma once

#include "kit/controller.h"

namespace mk::controller {

// Binds claims to volumes that are there, and says of each in which phase it is. Keys are claims, and volumes
// (without a namespace). A claim whose class waits for the first consumer is bound by the scheduler, which
// reserves a volume (claimRef) or asks for one to be made (annotation selected-node); here only what is
// reserved already gets bound. New volumes are made by provisioners outside; here the claim is marked for
// them.
class VolumeBinder : public Controller {
 public:
  explicit VolumeBinder(Context& context);

 private:
  using Edit = std::function<void(api::Json&)>;

  Keys concerned_by_claim(const api::Object& before, const api::Object& after);
  Keys concerned_by_volume(const api::Object& before, const api::Object& after);
  rt::Task<Result<void>> reconcile(api::Key key) override;

  rt::Task<Result<void>> reconcile_claim(api::Object claim);
  rt::Task<Result<bool>> take_default_class(api::Object claim);
  rt::Task<Result<void>> look_for_volume(api::Object claim);
  rt::Task<Result<void>> bind_named(api::Object claim);
  rt::Task<Result<void>> keep_bound(api::Object claim);
  rt::Task<Result<void>> wait_for_provisioner(api::Object claim, api::Object storage_class);
  rt::Task<Result<void>> bind(api::Object claim, api::Object volume);
  rt::Task<Result<void>> lose(api::Object claim, std::string reason, std::string message);

  rt::Task<Result<void>> reconcile_volume(api::Object volume);
  rt::Task<Result<void>> release(api::Object volume);
  rt::Task<Result<void>> reclaim(api::Object volume);
  rt::Task<Result<void>> unbind(api::Object volume);
  rt::Task<Result<api::Object>> live_claim(api::Object volume);

  rt::Task<Result<api::Object>> change(api::Gvr resource, api::Object object, std::string subresource,
                                       Edit edit);
  rt::Task<Result<void>> set_phase(api::Gvr resource, api::Object object, std::string phase,
                                   std::string reason = {}, std::string message = {});

  client::Informer& claims_;
  client::Informer& volumes_;
  client::Informer& classes_;
};

}  // namespace mk::controller
