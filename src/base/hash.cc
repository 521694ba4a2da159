#include "mk/base/hash.h"

#include <bit>
#include <cstring>

namespace mk {
namespace {

// Odd, with about as many ones as zeros: 2^64 divided by the golden ratio, and the fraction of sqrt(3).
constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15, kRoot = 0xbb67ae8584caa73b;

std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a ^ kGolden) * (b ^ kRoot);
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

std::uint64_t word(const char* at, std::size_t size) {
  std::uint64_t out = 0;
  std::memcpy(&out, at, size);
  if constexpr (std::endian::native == std::endian::big) out = __builtin_bswap64(out);
  return out;
}

}  // namespace

std::uint64_t hash64(std::string_view bytes, std::uint64_t seed) {
  // The length keeps apart what only differs in trailing zeros.
  std::uint64_t state = mix(seed, bytes.size());
  const char* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 16; at += 16, left -= 16) state = mix(state ^ word(at, 8), state + word(at + 8, 8));
  if (left >= 8) {
    state = mix(state ^ word(at, 8), state + kGolden);
    at += 8;
    left -= 8;
  }
  if (left > 0) state = mix(state ^ word(at, left), state + kGolden);
  return mix(state, state + kRoot);
}

}  // namespace mk
