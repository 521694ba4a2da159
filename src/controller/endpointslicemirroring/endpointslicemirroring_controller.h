#pragma once

#include "kit/controller.h"

namespace mk::controller {

// Mirrors Endpoints that somebody keeps for a service without a selector into EndpointSlices, which is all
// that proxies read. Keys are Endpoints, which have the names of their services.
class EndpointSliceMirroringController : public Controller {
 public:
  explicit EndpointSliceMirroringController(Context& context);

 private:
  rt::Task<Result<void>> reconcile(api::Key key) override;
  rt::Task<Result<void>> remove_all(std::vector<api::Object> slices);
  client::Informer& endpoints_;
  client::Informer& services_;
  client::Informer& slices_;
};

}  // namespace mk::controller
