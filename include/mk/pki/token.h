#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "mk/base/result.h"

// k3s' join token: K10<sha256 hex of the CA certificate's PEM>::<user>:<password>, or with a bootstrap token
// (<6>.<16>) behind the "::". The hash lets a joining node check whom it talks to before it sends the secret.
namespace mk::pki {

struct JoinToken {
  std::string ca_hash;   // "" in the short form (password alone)
  std::string user;      // "server", "node"; "" for a bootstrap token or the short form
  std::string password;  // or the whole bootstrap token "abcdef.0123456789abcdef"
  std::string str() const;
};
Result<JoinToken> parse_join_token(std::string_view text);
std::string ca_hash(std::string_view ca_pem);

}  // namespace mk::pki
