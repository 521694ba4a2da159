#include "certificates/certificate_controllers.h"

#include "certificates/signers.h"
#include "kit/objects.h"
#include "mk/base/strings.h"

namespace mk::controller {

using api::Json;
using api::Object;
using certificates::Decision;

namespace {

const api::Gvr kRequests{"certificates.k8s.io", "v1", "certificatesigningrequests"},
    kReviews{"authorization.k8s.io", "v1", "subjectaccessreviews"};

void add_condition(Json& csr, std::string type, std::string reason, std::string message, rt::WallTime now) {
  api::JsonObject condition;
  const auto time = rt::format_time(now);
  condition["type"] = std::move(type);
  condition["status"] = "True";
  condition["reason"] = std::move(reason);
  condition["message"] = std::move(message);
  condition["lastUpdateTime"] = time;
  condition["lastTransitionTime"] = time;
  auto conditions = api::list(csr, "status.conditions");
  conditions.push_back(std::move(condition));
  api::set(csr, "status.conditions", std::move(conditions));
}

Json access_review(const Json& csr, const std::string& subresource) {
  api::JsonObject attributes, spec, review;
  attributes["group"] = kRequests.group;
  attributes["resource"] = kRequests.resource;
  attributes["subresource"] = subresource;
  attributes["verb"] = "create";
  attributes["version"] = "*";
  spec["user"] = api::str(csr, "spec.username");
  spec["uid"] = api::str(csr, "spec.uid");
  spec["groups"] = api::list(csr, "spec.groups");
  spec["extra"] = api::object(csr, "spec.extra");
  spec["resourceAttributes"] = std::move(attributes);
  review["apiVersion"] = kReviews.api_version();
  review["kind"] = "SubjectAccessReview";
  review["spec"] = std::move(spec);
  return review;
}

rt::Task<Result<void>> write(client::Client& client, Json csr, std::string subresource) {
  auto done = co_await client.update(kRequests, Object(std::move(csr)), std::move(subresource),
                                     client::WriteOptions());
  if (done.ok() || done.error().is(Reason::kNotFound)) co_return ok();
  co_return std::move(done).error();
}

}  // namespace

CertificateApprover::CertificateApprover(Context& context_)
    : Controller(context_, "certificate-controller", 1), requests_(watch(kRequests, self)) {}

rt::Task<Result<bool>> CertificateApprover::may(Object csr, std::string subresource) {
  Object review(access_review(csr.json(), subresource));
  MK_CO_ASSIGN(const auto answer,
               co_await client().create(kReviews, "", std::move(review), client::WriteOptions()));
  co_return api::flag(answer.json(), "status.allowed");
}

rt::Task<Result<void>> CertificateApprover::reconcile(api::Key key) {
  const auto csr = requests_.get(key);
  if (!csr || !api::str(csr.json(), "status.certificate").empty() ||
      certificates::decision(csr.json()) != Decision::kOpen ||
      api::str(csr.json(), "spec.signerName") != certificates::kKubeletClient)
    co_return ok();
  const auto request = certificates::parse_request(csr.json());
  if (!request.ok() || !certificates::not_a_kubelet_client(csr.json(), *request).empty()) co_return ok();
  const bool own = api::str(csr.json(), "spec.username") == request->common_name;
  std::string message;
  if (own) {
    MK_CO_ASSIGN(const bool allowed, co_await may(csr, "selfnodeclient"));
    if (allowed) message = "Auto approving self kubelet client certificate after SubjectAccessReview.";
  }
  if (message.empty()) {
    MK_CO_ASSIGN(const bool allowed, co_await may(csr, "nodeclient"));
    if (!allowed) co_return ok();
    message = "Auto approving kubelet client certificate after SubjectAccessReview.";
  }
  Json approved = csr.json();
  add_condition(approved, "Approved", "AutoApproved", message, clock().now());
  co_return co_await write(client(), std::move(approved), "approval");
}

CertificateSigner::CertificateSigner(Context& context_)
    : Controller(context_, "certificate-controller", 1), requests_(watch(kRequests, self)) {}

rt::Task<Result<void>> CertificateSigner::reconcile(api::Key key) {
  const auto csr = requests_.get(key);
  const auto& ca = context().options.ca;
  if (!csr || ca.key_pem.empty() || !api::str(csr.json(), "status.certificate").empty() ||
      certificates::decision(csr.json()) != Decision::kApproved)
    co_return ok();
  auto request = certificates::parse_request(csr.json());
  if (!request.ok()) co_return std::move(request).error();
  const auto why_not = certificates::why_not_sign(csr.json(), *request);
  if (!why_not) co_return ok();
  Json answered = csr.json();
  if (!why_not->empty()) {
    add_condition(answered, "Failed", "SignerValidationFailure", *why_not, clock().now());
  } else {
    MK_CO_ASSIGN(const auto certificate,
                 certificates::sign(ca, csr.json(), std::move(*request), clock().now()));
    api::set(answered, "status.certificate", api::text(base64_encode(certificate)));
  }
  co_return co_await write(client(), std::move(answered), "status");
}

CertificateCleaner::CertificateCleaner(Context& context_)
    : Controller(context_, "certificate-controller", 1), requests_(watch(kRequests, self)) {}

rt::Task<Result<void>> CertificateCleaner::reconcile(api::Key key) {
  const auto csr = requests_.get(key);
  if (!csr) co_return ok();
  const auto left = certificates::useless_from(csr.json()) - clock().now();
  if (left > rt::Duration::zero()) {
    enqueue_after(key, left);
    co_return ok();
  }
  client::DeleteOptions options;
  options.uid = csr.uid();
  auto gone = co_await client().remove(kRequests, key, std::move(options));
  if (gone.ok() || gone.error().is(Reason::kNotFound)) co_return ok();
  co_return std::move(gone).error();
}

}  // namespace mk::controller
