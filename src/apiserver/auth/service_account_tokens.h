#pragma once

#include <list>
#include <string>
#include <unordered_map>
#include <vector>

#include "auth/authenticator_options.h"
#include "mk/api/json.h"

namespace mk::apiserver {

// Verifies service accounts' signed tokens. What a signature proves is remembered for a short while (it is
// the expensive part); times, audience and whether account and bound object still exist are looked at every
// time, so that deleting one of them ends its tokens at once.
class ServiceAccountTokens {
 public:
  explicit ServiceAccountTokens(const AuthenticatorOptions& options);

  // Is it for us to judge? (a signed token with our issuer, or one that pretends to be)
  bool claims_to_be_ours(std::string_view token) const;
  Result<UserInfo> authenticate(const std::string& token, const std::vector<std::string>& audiences,
                                std::vector<std::string>& accepted);

 private:
  struct Verified {
    std::string digest;
    api::Json claims;
    rt::MonoTime until;
  };
  static constexpr std::size_t kRememberedMax = 4096;
  static constexpr auto kRememberedFor = std::chrono::seconds(10);

  Result<const api::Json*> verified_claims(const std::string& token);
  Result<void> check_times(const api::Json& claims) const;
  Result<void> check_objects(const api::Json& claims) const;
  Result<void> check_object(const api::Gvr& gvr, const api::Key& key, std::string_view uid,
                            std::string_view kind) const;

  const AuthenticatorOptions& options_;
  std::list<Verified> order_;  // oldest first; all live equally long, so also in the order of expiry
  std::unordered_map<std::string, std::list<Verified>::iterator> remembered_;
};

}  // namespace mk::apiserver
