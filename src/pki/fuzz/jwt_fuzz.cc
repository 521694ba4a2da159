#include "mk/pki/jwt.h"

#include "fuzz/target.h"
#include "mk/base/assert.h"
#include "mk/pki/certificate.h"
#include "mk/pki/token.h"

// Nobody but the owner of the key makes a token that counts; join tokens read as they are written.
MK_FUZZ_TARGET(jwt, input) {
  using namespace mk::pki;
  static const std::string key = make_private_key();
  MK_ASSERT(!verify_jwt({key}, input).ok());
  static const std::string genuine = sign_jwt(key, R"({"sub":"a"})");
  // The same header and claims under another signature.
  const std::string forged = genuine.substr(0, genuine.rfind('.') + 1) + std::string(input);
  MK_ASSERT(forged == genuine || !verify_jwt({key}, forged).ok());
  const auto join = parse_join_token(input);
  if (join.ok()) MK_ASSERT(parse_join_token(join->str()).ok());
}
