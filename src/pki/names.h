#pragma once

#include "mk/pki/certificate.h"
#include "openssl.h"

// Subjects, subject alternative names and usages, between OpenSSL's structures and ours.
namespace mk::pki {

using GeneralNames = Handle<GENERAL_NAMES, GENERAL_NAMES_free>;
using ExtendedUsage = Handle<EXTENDED_KEY_USAGE, EXTENDED_KEY_USAGE_free>;
struct FreeExtensions {
  void operator()(STACK_OF(X509_EXTENSION) * stack) const {
    sk_X509_EXTENSION_pop_free(stack, X509_EXTENSION_free);
  }
};
using Extensions = std::unique_ptr<STACK_OF(X509_EXTENSION), FreeExtensions>;

Result<void> write_subject(X509_NAME* subject, const CertificateRequest& request);
void read_subject(const X509_NAME* subject, std::string& common_name,
                  std::vector<std::string>& organizations);

Result<GeneralNames> general_names(const CertificateRequest& request);
void read_general_names(const GENERAL_NAMES* names, std::vector<std::string>& dns,
                        std::vector<std::string>& ips);
void read_extended_usage(const EXTENDED_KEY_USAGE* usage, bool& client, bool& server);

// A well-formed CSR whose self-signature holds.
Result<X509Req> read_csr(std::string_view pem);

}  // namespace mk::pki
