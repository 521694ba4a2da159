#include <openssl/err.h>
#include <time.h>

#include "mk/base/strings.h"
#include "mk/pki/certificate.h"
#include "names.h"
#include "openssl.h"

namespace mk::pki {
namespace {

using Store = Handle<X509_STORE, X509_STORE_free>;
using StoreContext = Handle<X509_STORE_CTX, X509_STORE_CTX_free>;
struct FreeStack {
  void operator()(STACK_OF(X509) * stack) const { sk_X509_free(stack); }  // the certificates are others'
};

std::int64_t seconds(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return 0;
  return ::timegm(&parts);
}

std::string rfc3339(std::int64_t when) {
  const std::time_t time = when;
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  char out[32];
  return std::string(out, std::strftime(out, sizeof out, "%Y-%m-%dT%H:%M:%SZ", &parts));
}

std::string der_of(X509* certificate) {
  unsigned char* data = nullptr;
  const int size = i2d_X509(certificate, &data);
  MK_ASSERT(size > 0);
  std::string der(reinterpret_cast<char*>(data), static_cast<std::size_t>(size));
  OPENSSL_free(data);
  return der;
}

std::string serial_of(X509* certificate) {
  const Handle<BIGNUM, BN_free> number(ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nullptr));
  char* text = BN_bn2hex(number.get());
  std::string out = to_lower(text);
  OPENSSL_free(text);
  return out;
}

Error explain(int code, X509* at) {
  const auto text = [&]() -> std::string {
    switch (code) {
      case X509_V_ERR_CERT_HAS_EXPIRED:
        return "certificate has expired at " + rfc3339(seconds(X509_get0_notAfter(at)));
      case X509_V_ERR_CERT_NOT_YET_VALID:
        return "certificate is not valid before " + rfc3339(seconds(X509_get0_notBefore(at)));
      case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
      case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
      case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
      case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
      case X509_V_ERR_CERT_SIGNATURE_FAILURE:
        return "certificate signed by an unknown authority";
      default:
        return std::string("certificate cannot be verified: ") + X509_verify_cert_error_string(code);
    }
  }();
  return Error(Reason::kUnauthorized, text);
}

}  // namespace

Result<CertificateInfo> parse_certificate(const std::string& pem) {
  const auto chain = read_certificates(pem);
  if (chain.empty()) return Error(Reason::kInvalid, "not a PEM certificate (BEGIN CERTIFICATE)");
  X509* const leaf = chain.front().get();
  CertificateInfo info;
  read_subject(X509_get_subject_name(leaf), info.common_name, info.organizations);
  const GeneralNames names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(leaf, NID_subject_alt_name, nullptr, nullptr)));
  read_general_names(names.get(), info.dns_names, info.ip_addresses);
  const ExtendedUsage usage(
      static_cast<EXTENDED_KEY_USAGE*>(X509_get_ext_d2i(leaf, NID_ext_key_usage, nullptr, nullptr)));
  if (usage) {
    read_extended_usage(usage.get(), info.client_auth, info.server_auth);
  } else {  // RFC 5280: a certificate without the extension is good for any purpose
    info.client_auth = info.server_auth = true;
  }
  info.is_ca = X509_check_ca(leaf) == 1;
  info.not_before = seconds(X509_get0_notBefore(leaf));
  info.not_after = seconds(X509_get0_notAfter(leaf));
  info.sha256 = sha256_hex(der_of(leaf));
  info.serial = serial_of(leaf);
  ERR_clear_error();
  return info;
}

Result<void> verify_certificate(const std::string& certificate_pem, const std::string& ca_bundle_pem,
                                std::int64_t now) {
  const auto chain = read_certificates(certificate_pem);
  if (chain.empty()) return Error(Reason::kInvalid, "not a PEM certificate (BEGIN CERTIFICATE)");
  const Store store(X509_STORE_new());
  for (const auto& ca : read_certificates(ca_bundle_pem)) X509_STORE_add_cert(store.get(), ca.get());
  const std::unique_ptr<STACK_OF(X509), FreeStack> others(sk_X509_new_null());
  for (std::size_t i = 1; i < chain.size(); ++i) sk_X509_push(others.get(), chain[i].get());
  const StoreContext context(X509_STORE_CTX_new());
  MK_ASSERT(X509_STORE_CTX_init(context.get(), store.get(), chain.front().get(), others.get()) == 1);
  // Whoever is in the bundle is trusted, an intermediate too.
  X509_STORE_CTX_set_flags(context.get(), X509_V_FLAG_PARTIAL_CHAIN);
  X509_STORE_CTX_set_time(context.get(), 0, now);
  const bool verified = X509_verify_cert(context.get()) == 1;
  ERR_clear_error();
  if (verified) return ok();
  return explain(X509_STORE_CTX_get_error(context.get()), X509_STORE_CTX_get_current_cert(context.get()));
}

bool key_matches(const KeyPair& pair) {
  const auto chain = read_certificates(pair.certificate_pem);
  const Key key = read_private_key(pair.key_pem);
  const bool matches = !chain.empty() && key && X509_check_private_key(chain.front().get(), key.get()) == 1;
  ERR_clear_error();
  return matches;
}

}  // namespace mk::pki
