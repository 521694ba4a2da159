#include "mk/rt/random.h"

#include <cstring>

#include "mk/base/ids.h"

namespace mk::rt {
namespace {

// SplitMix64: tiny, fast, and the same everywhere.
class SplitMix : public Random {
 public:
  explicit SplitMix(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() override {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
  }

 private:
  std::uint64_t state_;
};

}  // namespace

std::unique_ptr<Random> make_random(std::uint64_t seed) {
  return std::make_unique<SplitMix>(seed);
}

std::unique_ptr<Random> make_random() {
  std::uint64_t seed = 0;
  std::memcpy(&seed, random_bytes(sizeof seed).data(), sizeof seed);
  return make_random(seed);
}

}  // namespace mk::rt
