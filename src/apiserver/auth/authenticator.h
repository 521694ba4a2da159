#pragma once

#include <optional>
#include <string>

#include "mk/base/result.h"
#include "mk/pki/certificate.h"
#include "mk/rt/task.h"
#include "user.h"

namespace mk::apiserver {

struct Credentials {
  std::optional<pki::CertificateInfo> certificate;  // already verified against the client CA
  std::string certificate_error;                    // why a presented one was not accepted
  std::string authorization;                        // the header, as it came
};

// Certificates (CN and O), bearer tokens: service accounts' (signature, times, audience, and that the account
// and what the token is bound to still exist), the cluster's static tokens, bootstrap tokens (secrets). No
// credential at all is system:anonymous; a wrong one is kUnauthorized.
class Authenticator {
 public:
  virtual ~Authenticator() = default;
  virtual Result<UserInfo> authenticate(const Credentials& credentials) = 0;
  // For TokenReview: audiences the caller accepts (none: the API server's own).
  virtual Result<UserInfo> authenticate_token(const std::string& token,
                                              const std::vector<std::string>& audiences,
                                              std::vector<std::string>& accepted) = 0;
};

}  // namespace mk::apiserver
