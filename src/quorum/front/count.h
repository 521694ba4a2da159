#pragma once

#include <cstddef>

#include "raft/wire.h"

namespace mk::quorum {

// How many things follow, each of at least one byte.
inline std::size_t read_count(WireReader& in) {
  const std::uint64_t value = in.number();
  if (value > in.left()) return in.fail(), 0;
  return static_cast<std::size_t>(value);
}

}  // namespace mk::quorum
