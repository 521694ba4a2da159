#pragma once

#include <memory>

#include "admission/admission.h"
#include "auth/authorizer.h"

namespace mk::apiserver {

// Kubernetes' CertificateApproval, CertificateSigning and CertificateSubjectRestriction: who decides about a
// CertificateSigningRequest needs the verb approve, who signs it the verb sign, on the resource signers of
// certificates.k8s.io with the signer's name (or its domain and "/*"); and nobody gets a client certificate
// of the group system:masters.
std::unique_ptr<AdmissionPlugin> make_certificate_admission(Authorizer& authorizer);

}  // namespace mk::apiserver
