#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mk/base/result.h"

// X.509 as a Kubernetes cluster uses it: ECDSA P-256 keys, PEM everywhere, serial numbers random.
// Times are seconds since the epoch and come in from the caller (no clock inside).
namespace mk::pki {

struct KeyPair {
  std::string certificate_pem;  // the leaf first, then its chain if any
  std::string key_pem;          // PKCS#8
};

enum class Usage { kServer, kClient, kBoth };

struct CertificateRequest {
  std::string common_name;
  std::vector<std::string> organizations;  // Kubernetes groups, for clients
  std::vector<std::string> dns_names, ip_addresses;
  Usage usage = Usage::kServer;
  std::int64_t not_before = 0;
  std::int64_t not_after = 0;
};

struct CertificateInfo {
  std::string common_name;
  std::vector<std::string> organizations;
  std::vector<std::string> dns_names, ip_addresses;
  bool client_auth = false, server_auth = false, is_ca = false;
  std::int64_t not_before = 0, not_after = 0;
  std::string sha256;  // lower-case hex of the DER
  std::string serial;  // lower-case hex
};

KeyPair make_ca(const std::string& common_name, std::int64_t not_before, std::int64_t not_after);
// A fresh key and its certificate.
Result<KeyPair> issue(const KeyPair& ca, const CertificateRequest& request);

std::string make_private_key();
// A PKCS#10 request in PEM for an existing key.
Result<std::string> make_csr(const std::string& key_pem, const CertificateRequest& request);
// What a CSR asks for; kInvalid when malformed or its self-signature is wrong.
Result<CertificateRequest> parse_csr(const std::string& csr_pem);
// Signs the CSR's public key with `request`'s names (never blindly with the CSR's own).
Result<std::string> sign_csr(const KeyPair& ca, const std::string& csr_pem,
                             const CertificateRequest& request);

Result<CertificateInfo> parse_certificate(const std::string& pem);  // the first of the file
// Is `certificate` signed by one of the CAs and valid at `now`? The error says which of it fails
// ("certificate has expired at 2026-01-01T00:00:00Z", "signed by an unknown authority").
Result<void> verify_certificate(const std::string& certificate_pem, const std::string& ca_bundle_pem,
                                std::int64_t now);
bool key_matches(const KeyPair& pair);

std::string sha256(std::string_view bytes);      // 32 raw bytes
std::string sha256_hex(std::string_view bytes);  // lower case
// Equality in time that depends on the length alone.
bool equal_secrets(std::string_view a, std::string_view b);

}  // namespace mk::pki
