#pragma once

#include <string>
#include <vector>

#include "cacher/cacher.h"
#include "mk/rt/clock.h"

namespace mk::apiserver {

struct TokenIssuerOptions {
  TokenIssuerOptions(Cacher& cacher_, rt::Clock& clock_) : cacher(cacher_), clock(clock_) {}

  Cacher& cacher;
  rt::Clock& clock;
  std::string key_pem;  // the active private key
  std::string issuer;
  std::vector<std::string> audiences;  // the API server's own; what a request without any gets
  // Tokens that pods get from their projected volume (3607 s, our audiences) really live a year, so that
  // clients that never read the file again keep working; `warnafter` marks when they should have.
  bool extend_pod_tokens = true;
};

// POST serviceaccounts/<name>/token.
class TokenIssuer {
 public:
  explicit TokenIssuer(TokenIssuerOptions options) : options_(std::move(options)) {}

  // `request` is an authentication.k8s.io/v1 TokenRequest; the answer is the same with its defaults and its
  // status. kInvalid, kBadRequest, kNotFound and kConflict as Kubernetes answers.
  Result<api::Json> issue(const std::string& ns, const std::string& account, const api::Json& request) const;

 private:
  Result<void> bind(const api::Object& account, const api::Json& reference, api::JsonObject& claims) const;

  TokenIssuerOptions options_;
};

}  // namespace mk::apiserver
