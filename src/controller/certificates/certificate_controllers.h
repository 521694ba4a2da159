#pragma once

#include "kit/controller.h"

namespace mk::controller {

// Approves the requests by which kubelets ask for their client certificates, if who asks may have such
// requests approved (RBAC: certificatesigningrequests/nodeclient and /selfnodeclient).
class CertificateApprover : public Controller {
 public:
  explicit CertificateApprover(Context& context);

 private:
  rt::Task<Result<void>> reconcile(api::Key key) override;
  rt::Task<Result<bool>> may(api::Object csr, std::string subresource);
  client::Informer& requests_;
};

// Signs approved requests of Kubernetes' own signers with the cluster's CA.
class CertificateSigner : public Controller {
 public:
  explicit CertificateSigner(Context& context);

 private:
  rt::Task<Result<void>> reconcile(api::Key key) override;
  client::Informer& requests_;
};

// Removes requests that were dealt with, or that nobody dealt with, after a while.
class CertificateCleaner : public Controller {
 public:
  explicit CertificateCleaner(Context& context);

 private:
  rt::Task<Result<void>> reconcile(api::Key key) override;
  client::Informer& requests_;
};

}  // namespace mk::controller
