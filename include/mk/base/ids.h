#pragma once

#include <string>

namespace mk {

// Cryptographically random; for names, uids and secrets. Simulations pass through rt::Random instead.
std::string random_bytes(std::size_t count);
std::string new_uid();                             // RFC 9562 version 4, lower case
std::string random_suffix(std::size_t length);     // Kubernetes' safe alphabet, for generateName
std::string random_token(std::size_t hex_digits);  // lower-case hex

}  // namespace mk
