#include "nodeipam/cidr_set.h"

#include <fmt/format.h>

#include <algorithm>

#include "mk/base/strings.h"

namespace mk::controller {
namespace {

struct Cidr {
  std::uint32_t base;
  int mask;
};

std::optional<Cidr> parse_cidr(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto mask = parse_int(text.substr(slash + 1));
  if (!mask || *mask < 0 || *mask > 32) return std::nullopt;
  std::uint32_t address = 0;
  const auto parts = split(text.substr(0, slash), '.');
  if (parts.size() != 4) return std::nullopt;
  for (const auto part : parts) {
    const auto octet = parse_int(part);
    if (!octet || *octet < 0 || *octet > 255) return std::nullopt;
    address = address << 8 | static_cast<std::uint32_t>(*octet);
  }
  const std::uint32_t keep = *mask == 0 ? 0 : ~std::uint32_t{0} << (32 - *mask);
  return Cidr{address & keep, static_cast<int>(*mask)};
}

}  // namespace

std::optional<CidrSet> CidrSet::make(std::string_view cluster_cidr, int piece_mask) {
  const auto cluster = parse_cidr(cluster_cidr);
  // 2^20 pieces are more than any cluster has nodes, and keep the set small.
  if (!cluster || piece_mask < cluster->mask || piece_mask > 30 || piece_mask - cluster->mask > 20)
    return std::nullopt;
  CidrSet set;
  set.base_ = cluster->base;
  set.cluster_mask_ = cluster->mask;
  set.piece_mask_ = piece_mask;
  set.taken_.resize(std::size_t{1} << (piece_mask - cluster->mask));
  return set;
}

std::optional<std::pair<std::size_t, std::size_t>> CidrSet::range_of(std::string_view text) const {
  const auto cidr = parse_cidr(text);
  if (!cidr) return std::nullopt;
  const auto size_of = [](int mask) { return std::uint64_t{1} << (32 - mask); };
  const std::uint64_t first = cidr->base, last = cidr->base + size_of(cidr->mask) - 1;
  const std::uint64_t low = base_, high = base_ + size_of(cluster_mask_) - 1;
  if (last < low || first > high) return std::nullopt;
  const auto piece = [&](std::uint64_t address) {
    return static_cast<std::size_t>((std::clamp(address, low, high) - low) / size_of(piece_mask_));
  };
  return std::pair(piece(first), piece(last));
}

void CidrSet::occupy(std::string_view cidr) {
  const auto range = range_of(cidr);
  for (std::size_t i = range ? range->first : 1; range && i <= range->second; ++i) taken_[i] = true;
}

void CidrSet::release(std::string_view cidr) {
  const auto range = range_of(cidr);
  for (std::size_t i = range ? range->first : 1; range && i <= range->second; ++i) taken_[i] = false;
}

std::optional<std::string> CidrSet::take() {
  for (std::size_t i = 0; i < taken_.size(); ++i) {
    const auto piece = (next_ + i) % taken_.size();
    if (taken_[piece]) continue;
    taken_[piece] = true;
    next_ = (piece + 1) % taken_.size();
    return text_of(piece);
  }
  return std::nullopt;
}

std::string CidrSet::text_of(std::size_t piece) const {
  const auto address =
      base_ + static_cast<std::uint32_t>(static_cast<std::uint64_t>(piece) << (32 - piece_mask_));
  return fmt::format("{}.{}.{}.{}/{}", address >> 24, address >> 16 & 255, address >> 8 & 255, address & 255,
                     piece_mask_);
}

}  // namespace mk::controller
