#include "auth/authenticator.h"

#include <algorithm>

#include "auth/authenticator_options.h"
#include "auth/bootstrap_tokens.h"
#include "auth/service_account_tokens.h"
#include "mk/base/log.h"
#include "mk/base/strings.h"
#include "mk/pki/certificate.h"

namespace mk::apiserver {
namespace {

constexpr Log kLog("apiserver");
constexpr std::string_view kAuthenticated = "system:authenticated";
constexpr std::string_view kUnauthenticated = "system:unauthenticated";

// What clients hear, whatever was wrong: details would help only those who guess.
Error unauthorized() {
  return Error(Reason::kUnauthorized, "Unauthorized");
}

UserInfo authenticated(UserInfo user) {
  if (!user.in_group(kAuthenticated) && !user.in_group(kUnauthenticated))
    user.groups.emplace_back(kAuthenticated);
  return user;
}

UserInfo certificate_user(const pki::CertificateInfo& certificate) {
  UserInfo user;
  user.name = certificate.common_name;
  user.groups = certificate.organizations;
  user.extra["authentication.kubernetes.io/credential-id"] = {"X509SHA256=" + certificate.sha256};
  return authenticated(std::move(user));
}

// The token of "Bearer <token>"; "" for any other header.
std::string bearer_token(std::string_view header) {
  header = trim(header);
  const auto space = header.find(' ');
  if (space == std::string_view::npos || to_lower(header.substr(0, space)) != "bearer") return "";
  const std::string_view rest = header.substr(space + 1);
  return std::string(rest.substr(0, rest.find(' ')));
}

class ClusterAuthenticator : public Authenticator {
 public:
  explicit ClusterAuthenticator(AuthenticatorOptions options)
      : options_(std::move(options)), service_accounts_(options_) {}

  Result<UserInfo> authenticate(const Credentials& credentials) override {
    if (credentials.certificate && !credentials.certificate->common_name.empty())
      return certificate_user(*credentials.certificate);
    const std::string token = bearer_token(credentials.authorization);
    if (!token.empty()) {
      std::vector<std::string> accepted;
      auto user = authenticate_token(token, {}, accepted);
      if (user.ok()) return user;
      kLog.debug("bearer token refused", "error", user.error().message());
      return unauthorized();
    }
    if (!credentials.certificate_error.empty() || credentials.certificate || !options_.anonymous) {
      kLog.debug("no valid credentials", "certificate", credentials.certificate_error);
      return unauthorized();
    }
    UserInfo anonymous;
    anonymous.name = "system:anonymous";
    anonymous.groups = {std::string(kUnauthenticated)};
    return anonymous;
  }

  Result<UserInfo> authenticate_token(const std::string& token, const std::vector<std::string>& audiences,
                                      std::vector<std::string>& accepted) override {
    const auto& wanted = audiences.empty() ? options_.audiences : audiences;
    accepted.clear();
    if (auto ours = service_accounts_.authenticate(token, wanted, accepted)) {
      MK_ASSIGN(UserInfo user, std::move(*ours));
      return authenticated(std::move(user));
    }
    // Tokens without audiences of their own are for the API server alone.
    for (const auto& audience : wanted) {
      if (std::find(options_.audiences.begin(), options_.audiences.end(), audience) !=
          options_.audiences.end())
        accepted.push_back(audience);
    }
    if (accepted.empty() && !wanted.empty())
      return Error(Reason::kUnauthorized, "token is not for these audiences");
    if (const UserInfo* user = static_user(token)) return authenticated(*user);
    if (is_bootstrap_token(token)) {
      MK_ASSIGN(UserInfo user, authenticate_bootstrap_token(options_.cacher, options_.clock, token));
      return authenticated(std::move(user));
    }
    accepted.clear();
    return Error(Reason::kUnauthorized, "invalid bearer token");
  }

 private:
  // Looks at every token, so that the time taken does not tell how much of one was right.
  const UserInfo* static_user(std::string_view token) const {
    const UserInfo* found = nullptr;
    for (const auto& [own, user] : options_.tokens) {
      if (!own.empty() && pki::equal_secrets(own, token)) found = &user;
    }
    return found;
  }

  AuthenticatorOptions options_;
  ServiceAccountTokens service_accounts_;
};

constexpr std::string_view kServiceAccountPrefix = "system:serviceaccount:";

}  // namespace

std::unique_ptr<Authenticator> make_authenticator(AuthenticatorOptions options) {
  return std::make_unique<ClusterAuthenticator>(std::move(options));
}

std::string service_account_user(std::string_view ns, std::string_view name) {
  return std::string(kServiceAccountPrefix).append(ns).append(":").append(name);
}

bool split_service_account(std::string_view user, std::string& ns, std::string& name) {
  if (!user.starts_with(kServiceAccountPrefix)) return false;
  const auto parts = split(user.substr(kServiceAccountPrefix.size()), ':');
  if (parts.size() != 2 || parts[0].empty() || parts[1].empty()) return false;
  ns = parts[0];
  name = parts[1];
  return true;
}

std::vector<std::string> service_account_groups(std::string_view ns) {
  return {"system:serviceaccounts", "system:serviceaccounts:" + std::string(ns)};
}

}  // namespace mk::apiserver
