#pragma once

#include <cstdint>
#include <memory>

namespace mk::rt {

// Chance as a door: jitter, tie-breaking, balancing. Not for secrets (mk/base/ids.h).
class Random {
 public:
  virtual ~Random() = default;
  virtual std::uint64_t next() = 0;
  std::uint64_t below(std::uint64_t bound) { return bound == 0 ? 0 : next() % bound; }
  double unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }  // [0, 1)
};

std::unique_ptr<Random> make_random(std::uint64_t seed);
std::unique_ptr<Random> make_random();  // seeded by the kernel

}  // namespace mk::rt
