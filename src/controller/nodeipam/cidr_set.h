#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mk::controller {

// The pieces of an IPv4 range that nodes get, and which are taken. Pure.
class CidrSet {
 public:
  // nullopt: no valid IPv4 range, or pieces larger than it.
  static std::optional<CidrSet> make(std::string_view cluster_cidr, int piece_mask);

  // Marks whatever overlaps `cidr`; outside the range nothing happens.
  void occupy(std::string_view cidr);
  void release(std::string_view cidr);
  // The next free piece, after the last one given, so that a piece just released rests for a while.
  std::optional<std::string> take();

 private:
  std::optional<std::pair<std::size_t, std::size_t>> range_of(std::string_view cidr) const;  // [first, last]
  std::string text_of(std::size_t piece) const;

  std::uint32_t base_ = 0;
  int cluster_mask_ = 0, piece_mask_ = 0;
  std::vector<bool> taken_;
  std::size_t next_ = 0;
};

}  // namespace mk::controller
