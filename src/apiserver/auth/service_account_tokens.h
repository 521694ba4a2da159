#pragma once

#include <list>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "auth/authenticator_options.h"
#include "mk/api/json.h"

namespace mk::apiserver {

// Verifies service accounts' signed tokens. What a token says, once its signature is proved, is remembered by
// the token's hash (decoding and proving cost more than most requests); times, audience and whether account
// and bound objects still exist are looked at every time, so that deleting one of them ends its tokens at
// once.
class ServiceAccountTokens {
 public:
  explicit ServiceAccountTokens(const AuthenticatorOptions& options);

  // Nothing when it is not for us to judge: ours are signed tokens with our issuer, or what pretends to be.
  std::optional<Result<UserInfo>> authenticate(const std::string& token,
                                               const std::vector<std::string>& audiences,
                                               std::vector<std::string>& accepted);

 private:
  // An object whose end is the token's end.
  struct Bound {
    Bound(const ResourceCache& cache_, api::Key key_, std::string uid_, std::string kind_)
        : cache(&cache_), key(std::move(key_)), uid(std::move(uid_)), kind(std::move(kind_)) {}
    const ResourceCache* cache;
    api::Key key;
    std::string uid, kind;
    SharedBytes seen;             // as it was when last looked at, and fitted
    std::int64_t deleted_at = 0;  // its deletion timestamp then; 0 for none
  };
  struct Verified {
    std::string digest;
    UserInfo user;
    std::vector<std::string> audiences;
    std::int64_t starts = 0, expires = 0;
    std::vector<Bound> bound;
    rt::MonoTime until;
  };
  static constexpr std::size_t kRememberedMax = 2048;
  static constexpr auto kRememberedFor = std::chrono::minutes(5);

  bool claims_to_be_ours(std::string_view token) const;
  Verified* remembered(const std::string& digest);
  Result<Verified*> verify(const std::string& token, std::string digest);
  Result<UserInfo> check(Verified& token, const std::vector<std::string>& audiences,
                         std::vector<std::string>& accepted) const;
  Result<void> check_times(const Verified& token) const;
  Result<void> bind(Verified& token, const api::Json& claims) const;
  Result<void> check_object(Bound& bound) const;

  const AuthenticatorOptions& options_;
  std::list<Verified> order_;  // oldest first; all live equally long, so also in the order of expiry
  std::unordered_map<std::string, std::list<Verified>::iterator> remembered_;
};

}  // namespace mk::apiserver
