#pragma once

#include "kit/controller.h"

namespace mk::controller {

// Holds claims that are being deleted while a scheduled pod uses them, by the finalizer
// kubernetes.io/pvc-protection.
class ClaimProtection : public Controller {
 public:
  explicit ClaimProtection(Context& context);

 private:
  rt::Task<Result<void>> reconcile(api::Key key) override;
  rt::Task<Result<bool>> in_use(api::Key key);
  client::Informer& claims_;
  client::Informer& pods_;
};

// Holds volumes that are being deleted while a claim is bound to them, by kubernetes.io/pv-protection.
class VolumeProtection : public Controller {
 public:
  explicit VolumeProtection(Context& context);

 private:
  rt::Task<Result<void>> reconcile(api::Key key) override;
  client::Informer& volumes_;
};

// The names of the claims that a pod uses, those made for its ephemeral volumes included. Pure.
std::vector<std::string> claims_of_pod(const api::Json& pod);

}  // namespace mk::controller
