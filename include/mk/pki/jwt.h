#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mk/base/result.h"

// Signed tokens (RFC 7519, ES256), for service accounts. The claims are JSON text: what they mean is the
// caller's business.
namespace mk::pki {

// Can sign_jwt use it: an unencrypted P-256 private key? Ask before using a key that came from outside.
bool is_signing_key(const std::string& key_pem);
// The key id is derived from the public key, so that a rotated key is found by its id.
std::string sign_jwt(const std::string& key_pem, std::string_view claims_json);
// The claims of a token signed by one of the keys (private or public PEM); kUnauthorized otherwise.
// Checks the signature only, not the times.
Result<std::string> verify_jwt(const std::vector<std::string>& key_pems, std::string_view token);

std::string public_key_pem(const std::string& key_pem);
// RFC 7517 key set of these keys' public halves, as JSON.
std::string jwks_json(const std::vector<std::string>& key_pems);

}  // namespace mk::pki
