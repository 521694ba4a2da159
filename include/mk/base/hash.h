#pragma once

#include <cstdint>
#include <string_view>

namespace mk {

// A fast 64-bit hash, the same on every machine and in every version: it may be stored and compared between
// servers. Not for secrets.
std::uint64_t hash64(std::string_view bytes, std::uint64_t seed);

}  // namespace mk
