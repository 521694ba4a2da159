#pragma once

#include <optional>
#include <set>
#include <string>

#include "mk/api/object.h"
#include "mk/pki/certificate.h"
#include "mk/rt/clock.h"

// CertificateSigningRequests of the signers that Kubernetes defines itself. All pure.
namespace mk::controller::certificates {

inline constexpr std::string_view kApiClient = "kubernetes.io/kube-apiserver-client";
inline constexpr std::string_view kKubeletClient = "kubernetes.io/kube-apiserver-client-kubelet";
inline constexpr std::string_view kKubeletServing = "kubernetes.io/kubelet-serving";
inline constexpr std::string_view kLegacy = "kubernetes.io/legacy-unknown";

// The PEM of spec.request, parsed.
Result<pki::CertificateRequest> parse_request(const api::Json& csr);
std::string request_pem(const api::Json& csr);

// Is it a request for the certificate by which a kubelet speaks to the API? "" or why not.
std::string not_a_kubelet_client(const api::Json& csr, const pki::CertificateRequest& request);

// May this signer sign it? "" or why not. nullopt: it is another's.
std::optional<std::string> why_not_sign(const api::Json& csr, const pki::CertificateRequest& request);

// The certificate, by what is asked for within what the signer gives: a year, or spec.expirationSeconds.
Result<std::string> sign(const pki::KeyPair& ca, const api::Json& csr, pki::CertificateRequest request,
                         rt::WallTime now);

enum class Decision { kOpen, kApproved, kDenied, kFailed };
Decision decision(const api::Json& csr);

// When the request is of no use any more: some time after it was decided, or nobody did; when its certificate
// ended.
rt::WallTime useless_from(const api::Json& csr);

}  // namespace mk::controller::certificates
