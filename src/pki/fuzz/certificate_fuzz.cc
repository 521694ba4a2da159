#include "mk/pki/certificate.h"

#include "fuzz/target.h"
#include "mk/base/assert.h"

// PEM of anybody's: certificates, their requests, keys. Only a request with the right signature is one.
MK_FUZZ_TARGET(certificate, input) {
  using namespace mk::pki;
  static const KeyPair ca = make_ca("test", 0, 4'000'000'000);
  const std::string pem(input);
  (void)parse_certificate(pem).ok();
  MK_ASSERT(!verify_certificate(pem, ca.certificate_pem, 1'800'000'000).ok());
  (void)verify_certificate(ca.certificate_pem, pem, 1'800'000'000).ok();
  (void)key_matches(KeyPair{pem, pem});
  const auto request = parse_csr(pem);
  if (request.ok()) (void)sign_csr(ca, pem, *request).ok();
}
