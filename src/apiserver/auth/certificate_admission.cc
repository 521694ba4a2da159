#include "auth/certificate_admission.h"

#include <fmt/format.h>

#include <algorithm>

#include "admission/plugins.h"
#include "mk/base/strings.h"
#include "mk/pki/certificate.h"

namespace mk::apiserver {

using api::Json;

namespace {

constexpr std::string_view kRequests = "certificatesigningrequests.certificates.k8s.io",
                           kApiClient = "kubernetes.io/kube-apiserver-client";

bool differs(const Json& object, const Json& old, std::string_view path) {
  const Json *now = api::find(object, path), *before = api::find(old, path);
  if (now == nullptr || before == nullptr) return now != before;
  return *now != *before;
}

class CertificateAdmission : public AdmissionPlugin {
 public:
  explicit CertificateAdmission(Authorizer& authorizer) : authorizer_(authorizer) {}
  std::string_view name() const override { return "CertificateApproval"; }

  Result<void> validate(const WriteContext& context, const Json* csr, const Json* old) override {
    if (context.resource->gvr.qualified() != kRequests || csr == nullptr) return ok();
    if (context.operation == "CREATE") return check_subject(context, *csr);
    if (old == nullptr) return ok();
    if (context.subresource == "approval") return check_verb(context, *old, "approve");
    const bool answers = context.subresource == "status" && (differs(*csr, *old, "status.certificate") ||
                                                             differs(*csr, *old, "status.conditions"));
    return answers ? check_verb(context, *old, "sign") : ok();
  }

 private:
  static Result<void> check_subject(const WriteContext& context, const Json& csr) {
    if (api::str(csr, "spec.signerName") != kApiClient) return ok();
    const auto request = pki::parse_csr(base64_decode(api::str(csr, "spec.request")).value_or(""));
    if (!request.ok()) return ok();  // nobody will sign it
    const auto& groups = request->organizations;
    if (std::find(groups.begin(), groups.end(), "system:masters") == groups.end()) return ok();
    return forbidden_by(context, &csr,
                        fmt::format("use of {} signer with system:masters group is not allowed", kApiClient));
  }

  Result<void> check_verb(const WriteContext& context, const Json& csr, const char* verb) {
    const std::string signer(api::str(csr, "spec.signerName"));
    if (may(context, verb, signer) || may(context, verb, signer.substr(0, signer.find('/')) + "/*"))
      return ok();
    return forbidden_by(
        context, &csr, fmt::format("user not permitted to {} requests with signerName \"{}\"", verb, signer));
  }

  bool may(const WriteContext& context, const char* verb, std::string signer) {
    Attributes attributes;
    attributes.user = context.user;
    attributes.verb = verb;
    attributes.group = "certificates.k8s.io";
    attributes.version = "*";
    attributes.resource = "signers";
    attributes.name = std::move(signer);
    return authorizer_.authorize(attributes).allowed;
  }

  Authorizer& authorizer_;
};

}  // namespace

std::unique_ptr<AdmissionPlugin> make_certificate_admission(Authorizer& authorizer) {
  return std::make_unique<CertificateAdmission>(authorizer);
}

}  // namespace mk::apiserver
