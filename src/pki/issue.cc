#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include "mk/pki/certificate.h"
#include "names.h"
#include "openssl.h"

namespace mk::pki {
namespace {

using Serial = Handle<BIGNUM, BN_free>;

Key new_key() {
  Key key(EVP_EC_gen("P-256"));
  MK_ASSERT(key);
  return key;
}

// The digest to sign with: Ed25519 and its like bring their own.
const EVP_MD* digest_for(EVP_PKEY* key) {
  return EVP_PKEY_is_a(key, "ED25519") || EVP_PKEY_is_a(key, "ED448") ? nullptr : EVP_sha256();
}

void set_serial(X509* certificate) {
  const Serial serial(BN_new());
  MK_ASSERT(BN_rand(serial.get(), 127, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1);
  MK_ASSERT(BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(certificate)) != nullptr);
}

void set_times(X509* certificate, std::int64_t not_before, std::int64_t not_after) {
  MK_ASSERT(ASN1_TIME_set(X509_getm_notBefore(certificate), not_before) != nullptr);
  MK_ASSERT(ASN1_TIME_set(X509_getm_notAfter(certificate), not_after) != nullptr);
}

// `value` is one of our own literals: names from outside never pass through this little language.
void add_extension(X509* certificate, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const Handle<X509_EXTENSION, X509_EXTENSION_free> extension(
      X509V3_EXT_conf_nid(nullptr, &context, nid, value));
  MK_ASSERT(extension && X509_add_ext(certificate, extension.get(), -1) == 1);
}

const char* extended_usage(Usage usage) {
  switch (usage) {
    case Usage::kServer:
      return "serverAuth";
    case Usage::kClient:
      return "clientAuth";
    case Usage::kBoth:
      return "serverAuth,clientAuth";
  }
  return "";
}

struct Authority {
  X509Ptr certificate;
  Key key;
};

Result<Authority> open_authority(const KeyPair& ca) {
  Authority out;
  auto chain = read_certificates(ca.certificate_pem);
  if (chain.empty()) return Error(Reason::kInvalid, "the CA certificate is not a PEM certificate");
  out.certificate = std::move(chain.front());
  out.key = read_private_key(ca.key_pem);
  if (!out.key) return Error(Reason::kInvalid, "the CA key is not an unencrypted PEM private key");
  if (X509_check_private_key(out.certificate.get(), out.key.get()) != 1) {
    ERR_clear_error();
    return Error(Reason::kInvalid, "the CA certificate and the CA key do not belong together");
  }
  if (X509_check_ca(out.certificate.get()) == 0)
    return Error(Reason::kInvalid,
                 "the CA certificate does not allow signing (basicConstraints CA:TRUE is missing)");
  return out;
}

Result<std::string> sign_leaf(const Authority& ca, EVP_PKEY* subject_key, const CertificateRequest& request) {
  if (request.not_after <= request.not_before)
    return Error(Reason::kInvalid, "a certificate must end after it begins");
  const X509Ptr leaf(X509_new());
  X509_set_version(leaf.get(), X509_VERSION_3);
  set_serial(leaf.get());
  set_times(leaf.get(), request.not_before, request.not_after);
  X509_set_issuer_name(leaf.get(), X509_get_subject_name(ca.certificate.get()));
  MK_TRY(write_subject(X509_get_subject_name(leaf.get()), request));
  MK_ASSERT(X509_set_pubkey(leaf.get(), subject_key) == 1);
  X509* const issuer = ca.certificate.get();
  add_extension(leaf.get(), issuer, NID_basic_constraints, "critical,CA:FALSE");
  const bool rsa = EVP_PKEY_is_a(subject_key, "RSA");
  add_extension(leaf.get(), issuer, NID_key_usage,
                rsa ? "critical,digitalSignature,keyEncipherment" : "critical,digitalSignature");
  add_extension(leaf.get(), issuer, NID_ext_key_usage, extended_usage(request.usage));
  add_extension(leaf.get(), issuer, NID_subject_key_identifier, "hash");
  add_extension(leaf.get(), issuer, NID_authority_key_identifier, "keyid:always");
  MK_ASSIGN(const GeneralNames names, general_names(request));
  if (sk_GENERAL_NAME_num(names.get()) > 0)
    MK_ASSERT(X509_add1_ext_i2d(leaf.get(), NID_subject_alt_name, names.get(), 0, 0) == 1);
  MK_ASSERT(X509_sign(leaf.get(), ca.key.get(), digest_for(ca.key.get())) > 0);
  return certificate_to_pem(leaf.get());
}

}  // namespace

KeyPair make_ca(const std::string& common_name, std::int64_t not_before, std::int64_t not_after) {
  const Key key = new_key();
  const X509Ptr ca(X509_new());
  X509_set_version(ca.get(), X509_VERSION_3);
  set_serial(ca.get());
  set_times(ca.get(), not_before, not_after);
  CertificateRequest subject;
  subject.common_name = common_name;
  MK_ASSERT(write_subject(X509_get_subject_name(ca.get()), subject).ok());
  X509_set_issuer_name(ca.get(), X509_get_subject_name(ca.get()));
  MK_ASSERT(X509_set_pubkey(ca.get(), key.get()) == 1);
  add_extension(ca.get(), ca.get(), NID_basic_constraints, "critical,CA:TRUE");
  add_extension(ca.get(), ca.get(), NID_key_usage, "critical,digitalSignature,keyCertSign,cRLSign");
  add_extension(ca.get(), ca.get(), NID_subject_key_identifier, "hash");
  add_extension(ca.get(), ca.get(), NID_authority_key_identifier, "keyid:always");
  MK_ASSERT(X509_sign(ca.get(), key.get(), EVP_sha256()) > 0);
  return {certificate_to_pem(ca.get()), key_to_pem(key.get())};
}

Result<KeyPair> issue(const KeyPair& ca, const CertificateRequest& request) {
  MK_ASSIGN(const Authority authority, open_authority(ca));
  const Key key = new_key();
  MK_ASSIGN(std::string pem, sign_leaf(authority, key.get(), request));
  return KeyPair{std::move(pem), key_to_pem(key.get())};
}

std::string make_private_key() {
  return key_to_pem(new_key().get());
}

Result<std::string> make_csr(const std::string& key_pem, const CertificateRequest& request) {
  const Key key = read_private_key(key_pem);
  if (!key) return Error(Reason::kInvalid, "the key is not an unencrypted PEM private key");
  const X509Req csr(X509_REQ_new());
  MK_TRY(write_subject(X509_REQ_get_subject_name(csr.get()), request));
  MK_ASSERT(X509_REQ_set_pubkey(csr.get(), key.get()) == 1);
  MK_ASSIGN(const GeneralNames names, general_names(request));
  const Extensions extensions(sk_X509_EXTENSION_new_null());
  STACK_OF(X509_EXTENSION)* stack = extensions.get();
  if (sk_GENERAL_NAME_num(names.get()) > 0)
    MK_ASSERT(X509V3_add1_i2d(&stack, NID_subject_alt_name, names.get(), 0, X509V3_ADD_DEFAULT) == 1);
  sk_X509_EXTENSION_push(
      stack, X509V3_EXT_conf_nid(nullptr, nullptr, NID_ext_key_usage, extended_usage(request.usage)));
  MK_ASSERT(X509_REQ_add_extensions(csr.get(), stack) == 1);
  MK_ASSERT(X509_REQ_sign(csr.get(), key.get(), digest_for(key.get())) > 0);
  const Bio bio(BIO_new(BIO_s_mem()));
  MK_ASSERT(PEM_write_bio_X509_REQ(bio.get(), csr.get()) == 1);
  return bio_text(bio.get());
}

Result<CertificateRequest> parse_csr(const std::string& csr_pem) {
  MK_ASSIGN(const X509Req csr, read_csr(csr_pem));
  CertificateRequest out;
  read_subject(X509_REQ_get_subject_name(csr.get()), out.common_name, out.organizations);
  const Extensions extensions(X509_REQ_get_extensions(csr.get()));
  const GeneralNames names(
      static_cast<GENERAL_NAMES*>(X509V3_get_d2i(extensions.get(), NID_subject_alt_name, nullptr, nullptr)));
  read_general_names(names.get(), out.dns_names, out.ip_addresses);
  const ExtendedUsage usage(static_cast<EXTENDED_KEY_USAGE*>(
      X509V3_get_d2i(extensions.get(), NID_ext_key_usage, nullptr, nullptr)));
  bool client = false, server = false;
  read_extended_usage(usage.get(), client, server);
  out.usage = client && server ? Usage::kBoth : client ? Usage::kClient : Usage::kServer;
  ERR_clear_error();
  return out;
}

Result<std::string> sign_csr(const KeyPair& ca, const std::string& csr_pem,
                             const CertificateRequest& request) {
  MK_ASSIGN(const X509Req csr, read_csr(csr_pem));
  MK_ASSIGN(const Authority authority, open_authority(ca));
  return sign_leaf(authority, X509_REQ_get0_pubkey(csr.get()), request);
}

}  // namespace mk::pki
