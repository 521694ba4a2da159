#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mk/rt/random.h"

namespace mk::store {

constexpr std::size_t kSimSector = 512;  // written whole or not

// A simulated file's content: what programs see, what the platter has, and the changes between the two.
class SimInode {
 public:
  const std::string& live() const { return live_; }
  void write(std::uint64_t offset, std::string_view bytes);
  void truncate(std::uint64_t size);
  void sync();  // everything pending is on the platter
  // A sync that failed, or a power cut: chance decides what of the pending changes is on the platter, sector
  // by sector; the rest never will be. Programs see what they saw.
  void settle(rt::Random& random);
  void restart() { live_ = durable_; }  // after settle(): the page cache is gone
  void flip_bit(std::uint64_t bit);

 private:
  struct Change {
    std::uint64_t offset = 0;
    std::string bytes;
    bool truncates = false;  // at `offset`
  };
  static void apply(std::string& content, const Change& change);
  void settle_sectors(rt::Random& random);

  std::string live_, durable_;
  std::vector<Change> pending_;
};

}  // namespace mk::store
