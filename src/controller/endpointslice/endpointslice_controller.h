#pragma once

#include <set>
#include <unordered_map>

#include "endpointslice/endpoints.h"
#include "kit/controller.h"

namespace mk::controller {

// What the two controllers of service backends share: they watch services and pods and find the pods of a
// service.
class ServiceBackends : public Controller {
 protected:
  ServiceBackends(Context& context, std::string name);
  endpoints::Groups groups_of(const api::Object& service, const std::string& family);
  client::Informer& services_;

 private:
  Keys keys_of_pod(const api::Object& before, const api::Object& after);
  client::Informer& pods_;
  client::Informer& nodes_;
};

// EndpointSlices of services that have a selector.
class EndpointSliceController : public ServiceBackends {
 public:
  explicit EndpointSliceController(Context& context);

 private:
  rt::Task<Result<void>> reconcile(api::Key key) override;
  rt::Task<Result<void>> reconcile_family(api::Object service, std::string family,
                                          std::vector<api::Object> existing);
  client::Informer& slices_;
};

// The older Endpoints objects of the same services.
class EndpointsController : public ServiceBackends {
 public:
  explicit EndpointsController(Context& context);

 private:
  rt::Task<Result<void>> reconcile(api::Key key) override;
  client::Informer& endpoints_;
};

}  // namespace mk::controller
