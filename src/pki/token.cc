#include "mk/pki/token.h"

#include <algorithm>

#include "mk/base/strings.h"
#include "mk/pki/certificate.h"

namespace mk::pki {
namespace {

constexpr std::string_view kPrefix = "K10";

bool is_lower_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool is_token_part(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z'); });
}

// "abcdef.0123456789abcdef"
bool is_bootstrap_token(std::string_view text) {
  return text.size() == 23 && text[6] == '.' && is_token_part(text.substr(0, 6)) &&
         is_token_part(text.substr(7));
}

Error malformed(std::string_view what) {
  return Error(Reason::kInvalid, "malformed join token: " + std::string(what) +
                                     "; use the whole text of the server's token file "
                                     "(K10<hash>::<user>:<password>) or the password alone");
}

}  // namespace

std::string JoinToken::str() const {
  if (ca_hash.empty()) return password;
  std::string out = std::string(kPrefix) + ca_hash + "::";
  if (!user.empty()) out += user + ":";
  return out + password;
}

Result<JoinToken> parse_join_token(std::string_view text) {
  text = trim(text);
  if (text.empty()) return malformed("it is empty");
  JoinToken token;
  if (text.substr(0, kPrefix.size()) != kPrefix) {
    token.password = text;
    return token;
  }
  text.remove_prefix(kPrefix.size());
  const auto mark = text.find("::");
  if (mark == std::string_view::npos) return malformed("\"::\" is missing");
  token.ca_hash = text.substr(0, mark);
  if (token.ca_hash.size() != 64 || !is_lower_hex(token.ca_hash))
    return malformed("the CA hash is not 64 lower-case hexadecimal digits");
  const auto secret = text.substr(mark + 2);
  const auto colon = secret.find(':');
  if (colon == std::string_view::npos) {
    if (!is_bootstrap_token(secret))
      return malformed("neither <user>:<password> nor a bootstrap token follows \"::\"");
    token.password = secret;
    return token;
  }
  token.user = secret.substr(0, colon);
  token.password = secret.substr(colon + 1);
  if (token.user.empty() || token.password.empty()) return malformed("user or password is empty");
  return token;
}

std::string ca_hash(std::string_view ca_pem) {
  return sha256_hex(ca_pem);
}

}  // namespace mk::pki
