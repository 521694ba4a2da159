#include "mk/pki/jwt.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "mk/base/strings.h"
#include "mk/pki/certificate.h"
#include "openssl.h"

namespace mk::pki {
namespace {

constexpr std::size_t kHalf = 32;  // bytes of r and of s in an ES256 signature

using DigestContext = Handle<EVP_MD_CTX, EVP_MD_CTX_free>;
using Signature = Handle<ECDSA_SIG, ECDSA_SIG_free>;

const unsigned char* bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* bytes(std::string& text) {
  return reinterpret_cast<unsigned char*>(text.data());
}

bool is_p256(EVP_PKEY* key) {
  char name[32] = {};
  std::size_t size = 0;
  return key && EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_group_name(key, name, sizeof name, &size) == 1 &&
         std::string_view(name) == "prime256v1";
}

std::string key_id(EVP_PKEY* key) {
  return base64url_encode(sha256(public_to_der(key)));
}

// JOSE wants r and s side by side, OpenSSL speaks DER.
std::string der_to_jose(std::string_view der) {
  const unsigned char* at = bytes(der);
  const Signature signature(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())));
  MK_ASSERT(signature);
  std::string out(2 * kHalf, '\0');
  BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), bytes(out), kHalf);
  BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), bytes(out) + kHalf, kHalf);
  return out;
}

std::string jose_to_der(std::string_view jose) {
  const Signature signature(ECDSA_SIG_new());
  BIGNUM* r = BN_bin2bn(bytes(jose), kHalf, nullptr);
  BIGNUM* s = BN_bin2bn(bytes(jose) + kHalf, kHalf, nullptr);
  MK_ASSERT(ECDSA_SIG_set0(signature.get(), r, s) == 1);  // owns both from here
  unsigned char* data = nullptr;
  const int size = i2d_ECDSA_SIG(signature.get(), &data);
  MK_ASSERT(size > 0);
  std::string der(reinterpret_cast<char*>(data), static_cast<std::size_t>(size));
  OPENSSL_free(data);
  return der;
}

bool signature_holds(EVP_PKEY* key, std::string_view text, std::string_view jose) {
  const std::string der = jose_to_der(jose);
  const DigestContext context(EVP_MD_CTX_new());
  const bool holds = EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key) == 1 &&
                     EVP_DigestVerify(context.get(), bytes(der), der.size(), bytes(text), text.size()) == 1;
  ERR_clear_error();
  return holds;
}

Error refused(const char* why) {
  return Error(Reason::kUnauthorized, std::string("invalid bearer token: ") + why);
}

// The kid of an ES256 header, "" when it has none.
Result<std::string> read_header(std::string_view encoded) {
  const auto text = base64url_decode(encoded);
  if (!text) return refused("malformed header");
  boost::system::error_code code;
  const auto json = boost::json::parse(*text, code);
  const auto* header = code ? nullptr : json.if_object();
  if (!header) return refused("malformed header");
  const auto* algorithm = header->if_contains("alg");
  if (!algorithm || !algorithm->is_string() || algorithm->get_string() != "ES256")
    return refused("it is not signed with ES256");
  if (header->if_contains("crit")) return refused("it has critical header extensions");
  const auto* id = header->if_contains("kid");
  return id && id->is_string() ? std::string(id->get_string()) : std::string();
}

std::string coordinate(EVP_PKEY* key, const char* name) {
  BIGNUM* number = nullptr;
  MK_ASSERT(EVP_PKEY_get_bn_param(key, name, &number) == 1);
  std::string out(kHalf, '\0');
  BN_bn2binpad(number, bytes(out), kHalf);
  BN_free(number);
  return base64url_encode(out);
}

}  // namespace

bool is_signing_key(const std::string& key_pem) {
  return is_p256(read_private_key(key_pem).get());
}

std::string sign_jwt(const std::string& key_pem, std::string_view claims_json) {
  const Key key = read_private_key(key_pem);
  MK_ASSERT(is_p256(key.get()));
  std::string text = base64url_encode(R"({"alg":"ES256","kid":")" + key_id(key.get()) + R"(","typ":"JWT"})");
  text += "." + base64url_encode(claims_json);
  const DigestContext context(EVP_MD_CTX_new());
  MK_ASSERT(EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get()) == 1);
  std::string der(128, '\0');
  std::size_t size = der.size();
  MK_ASSERT(EVP_DigestSign(context.get(), bytes(der), &size, bytes(text), text.size()) == 1);
  der.resize(size);
  return text + "." + base64url_encode(der_to_jose(der));
}

Result<std::string> verify_jwt(const std::vector<std::string>& key_pems, std::string_view token) {
  const auto parts = split(token, '.');
  if (parts.size() != 3) return refused("it is no JSON web token");
  MK_ASSIGN(const std::string id, read_header(parts[0]));
  auto claims = base64url_decode(parts[1]);
  const auto signature = base64url_decode(parts[2]);
  if (!claims || !signature || signature->size() != 2 * kHalf) return refused("malformed");
  const auto text = token.substr(0, parts[0].size() + 1 + parts[1].size());
  for (const auto& pem : key_pems) {
    const Key key = read_any_key(pem);
    if (!is_p256(key.get()) || (!id.empty() && id != key_id(key.get()))) continue;
    if (signature_holds(key.get(), text, *signature)) return std::move(*claims);
  }
  return refused("it is signed by none of the known keys");
}

std::string public_key_pem(const std::string& key_pem) {
  const Key key = read_any_key(key_pem);
  MK_ASSERT(key);
  return public_to_pem(key.get());
}

std::string jwks_json(const std::vector<std::string>& key_pems) {
  boost::json::array keys;
  for (const auto& pem : key_pems) {
    const Key key = read_any_key(pem);
    if (!is_p256(key.get())) continue;
    keys.push_back(boost::json::object{{"use", "sig"},
                                       {"kty", "EC"},
                                       {"kid", key_id(key.get())},
                                       {"crv", "P-256"},
                                       {"alg", "ES256"},
                                       {"x", coordinate(key.get(), OSSL_PKEY_PARAM_EC_PUB_X)},
                                       {"y", coordinate(key.get(), OSSL_PKEY_PARAM_EC_PUB_Y)}});
  }
  return boost::json::serialize(boost::json::object{{"keys", std::move(keys)}});
}

}  // namespace mk::pki
