#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "auth/authenticator.h"
#include "cacher/cacher.h"
#include "mk/rt/clock.h"

namespace mk::apiserver {

struct AuthenticatorOptions {
  AuthenticatorOptions(Cacher& cacher_, rt::Clock& clock_) : cacher(cacher_), clock(clock_) {}

  Cacher& cacher;
  rt::Clock& clock;
  std::vector<std::string> key_pems;   // of service account tokens; private or public, several while rotating
  std::string issuer;                  // claim `iss` ("https://kubernetes.default.svc.cluster.local")
  std::vector<std::string> audiences;  // the API server's own
  std::map<std::string, UserInfo> tokens;  // static tokens
  bool anonymous = true;                   // no credentials at all: system:anonymous
};

// `options.cacher` and `options.clock` must outlive it.
std::unique_ptr<Authenticator> make_authenticator(AuthenticatorOptions options);

// "system:serviceaccount:<ns>:<name>" and its parts; false when `user` is no service account.
std::string service_account_user(std::string_view ns, std::string_view name);
bool split_service_account(std::string_view user, std::string& ns, std::string& name);
std::vector<std::string> service_account_groups(std::string_view ns);

}  // namespace mk::apiserver
