#include "certificates/signers.h"

#include <algorithm>

#include "kit/objects.h"
#include "mk/base/strings.h"

namespace mk::controller::certificates {

using api::Json;

namespace {

using Usages = std::set<std::string, std::less<>>;
constexpr auto kYear = std::chrono::hours(24 * 365);
constexpr auto kBackdate = std::chrono::minutes(5);  // clocks differ
constexpr auto kKeepDecided = std::chrono::hours(1);
constexpr auto kKeepOpen = std::chrono::hours(24);

Usages usages_of(const Json& csr) {
  Usages out;
  for (const auto& usage : api::list(csr, "spec.usages")) {
    if (usage.is_string()) out.emplace(std::string_view(usage.get_string()));
  }
  return out;
}

// Exactly `needed`, and nothing else but what keys of some kinds need besides.
bool usages_are(const Json& csr, std::string_view needed) {
  auto usages = usages_of(csr);
  const bool has = usages.erase(std::string(needed)) > 0;
  usages.erase("digital signature");
  usages.erase("key encipherment");
  return has && usages.empty();
}

bool is_node(const pki::CertificateRequest& request) {
  return request.organizations == std::vector<std::string>{"system:nodes"};
}

bool node_named(const pki::CertificateRequest& request) {
  return request.common_name.starts_with("system:node:");
}

std::string why_no_serving(const Json& csr, const pki::CertificateRequest& request) {
  if (!is_node(request)) return "subject organization is not system:nodes";
  if (!node_named(request)) return "subject common name does not begin with system:node:";
  if (request.dns_names.empty() && request.ip_addresses.empty())
    return "DNS or IP subjectAltName is required";
  if (!usages_are(csr, "server auth"))
    return "usages did not match [digital signature, key encipherment, server auth]";
  return "";
}

pki::Usage usage_of(const Json& csr) {
  const auto usages = usages_of(csr);
  const bool server = usages.contains("server auth"), client = usages.contains("client auth");
  if (server && client) return pki::Usage::kBoth;
  return server ? pki::Usage::kServer : pki::Usage::kClient;
}

std::int64_t seconds(rt::WallTime time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

std::optional<rt::WallTime> decided_at(const Json& csr, std::string_view type) {
  const auto* condition = find_condition(csr, type);
  if (condition == nullptr) return std::nullopt;
  auto time = time_at(*condition, "lastUpdateTime");
  return time ? time : time_at(*condition, "lastTransitionTime");
}

}  // namespace

std::string request_pem(const Json& csr) {
  return base64_decode(api::str(csr, "spec.request")).value_or("");
}

Result<pki::CertificateRequest> parse_request(const Json& csr) {
  return pki::parse_csr(request_pem(csr));
}

std::string not_a_kubelet_client(const Json& csr, const pki::CertificateRequest& request) {
  if (!is_node(request)) return "subject organization is not system:nodes";
  if (!request.dns_names.empty() || !request.ip_addresses.empty())
    return "DNS and IP subjectAltNames are not allowed";
  if (!node_named(request)) return "subject common name does not begin with system:node:";
  if (!usages_are(csr, "client auth"))
    return "usages did not match [digital signature, key encipherment, client auth]";
  return "";
}

std::optional<std::string> why_not_sign(const Json& csr, const pki::CertificateRequest& request) {
  const auto signer = api::str(csr, "spec.signerName");
  if (signer == kKubeletClient) return not_a_kubelet_client(csr, request);
  if (signer == kKubeletServing) return why_no_serving(csr, request);
  if (signer == kApiClient)
    return usages_are(csr, "client auth") ? "" : "invalid usages for client certificate";
  if (signer == kLegacy) return "";
  return std::nullopt;
}

Result<std::string> sign(const pki::KeyPair& ca, const Json& csr, pki::CertificateRequest request,
                         rt::WallTime now) {
  rt::Duration lasts = kYear;
  if (const auto asked = api::num(csr, "spec.expirationSeconds"); asked > 0)
    lasts = std::clamp<rt::Duration>(std::chrono::seconds(asked), std::chrono::minutes(10), kYear);
  MK_ASSIGN(const auto issuer, pki::parse_certificate(ca.certificate_pem));
  request.usage = usage_of(csr);
  request.not_before = seconds(now - kBackdate);
  request.not_after = std::min(seconds(now + lasts), issuer.not_after);
  return pki::sign_csr(ca, request_pem(csr), request);
}

Decision decision(const Json& csr) {
  const auto is = [&csr](std::string_view type) {
    const auto* condition = find_condition(csr, type);
    return condition != nullptr && api::str(*condition, "status", "True") == "True";
  };
  if (is("Denied")) return Decision::kDenied;
  if (is("Failed")) return Decision::kFailed;
  return is("Approved") ? Decision::kApproved : Decision::kOpen;
}

rt::WallTime useless_from(const Json& csr) {
  auto until = time_at(csr, "metadata.creationTimestamp").value_or(rt::WallTime()) + kKeepOpen;
  const auto certificate = api::str(csr, "status.certificate");
  for (const auto* type : {"Approved", "Denied", "Failed"}) {
    const auto decided = decided_at(csr, type);
    const bool unfinished = std::string_view(type) == "Approved" && certificate.empty();
    if (decided && !unfinished) until = std::min(until, *decided + kKeepDecided);
  }
  if (certificate.empty()) return until;
  const auto info = pki::parse_certificate(base64_decode(certificate).value_or(""));
  if (info.ok()) until = std::min(until, rt::WallTime(std::chrono::seconds(info->not_after)));
  return until;
}

}  // namespace mk::controller::certificates
