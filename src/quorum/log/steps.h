#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "log.h"

namespace mk::quorum {

// A value per entry that rarely changes from one to the next (its term, its segment), by first index.
class Steps {
 public:
  // Entries from `from` on have no value any more.
  void cut(Index from) {
    while (!steps_.empty() && steps_.back().first >= from) steps_.pop_back();
  }
  // Entries from `from` on have this one.
  void extend(Index from, std::uint64_t value) {
    cut(from);
    if (steps_.empty() || steps_.back().second != value) steps_.emplace_back(from, value);
  }
  // Nobody asks for entries below `index` any more.
  void drop_below(Index index) {
    std::size_t gone = 0;
    while (gone + 1 < steps_.size() && steps_[gone + 1].first <= index) ++gone;
    steps_.erase(steps_.begin(), steps_.begin() + static_cast<std::ptrdiff_t>(gone));
  }
  // 0: none was given.
  std::uint64_t at(Index index) const {
    std::uint64_t value = 0;
    for (const auto& [first, its] : steps_) {
      if (first > index) break;
      value = its;
    }
    return value;
  }

 private:
  std::vector<std::pair<Index, std::uint64_t>> steps_;
};

}  // namespace mk::quorum
