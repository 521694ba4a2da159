#pragma once

#include "kit/controller.h"

namespace mk::controller {

// Gives every active namespace the account that its pods use unless they name another.
class ServiceAccountController : public Controller {
 public:
  explicit ServiceAccountController(Context& context);

 private:
  rt::Task<Result<void>> reconcile(api::Key key) override;
  client::Informer& namespaces_;
  client::Informer& accounts_;
};

// Publishes the cluster's CA in every active namespace, as the ConfigMap kube-root-ca.crt, and keeps it
// right.
class RootCaPublisher : public Controller {
 public:
  explicit RootCaPublisher(Context& context);

 private:
  rt::Task<Result<void>> reconcile(api::Key key) override;
  client::Informer& namespaces_;
  client::Informer& config_maps_;
};

// The ConfigMap as it must be. Pure.
api::Json root_ca_config_map(const std::string& ns, const std::string& ca_pem);

}  // namespace mk::controller
