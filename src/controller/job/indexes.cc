#include "job/indexes.h"

#include <fmt/format.h>

#include <algorithm>

#include "mk/base/strings.h"

namespace mk::controller::job {

IndexSet IndexSet::parse(std::string_view text, std::int64_t limit) {
  IndexSet set;
  if (text.empty()) return set;
  for (const auto part : split(text, ',')) {
    const auto ends = split(part, '-');
    const auto first = parse_int(ends.front()), last = parse_int(ends.back());
    if (!first || !last || *first < 0 || *last < *first || ends.size() > 2) continue;
    if (!set.runs_.empty() && *first <= set.runs_.back().last) continue;
    if (*first >= limit) break;
    const Run run{*first, std::min(*last, limit - 1)};
    if (!set.runs_.empty() && set.runs_.back().last + 1 == run.first) {
      set.runs_.back().last = run.last;
    } else {
      set.runs_.push_back(run);
    }
  }
  return set;
}

void IndexSet::add(std::int64_t index) {
  const auto after = std::upper_bound(runs_.begin(), runs_.end(), index,
                                      [](std::int64_t value, const Run& run) { return value < run.first; });
  const bool joins_after = after != runs_.end() && after->first == index + 1;
  if (after != runs_.begin()) {
    const auto before = std::prev(after);
    if (index <= before->last) return;
    if (before->last + 1 == index) {
      before->last = joins_after ? after->last : index;
      if (joins_after) runs_.erase(after);
      return;
    }
  }
  if (joins_after) {
    after->first = index;
  } else {
    runs_.insert(after, Run{index, index});
  }
}

bool IndexSet::contains(std::int64_t index) const {
  const auto after = std::upper_bound(runs_.begin(), runs_.end(), index,
                                      [](std::int64_t value, const Run& run) { return value < run.first; });
  return after != runs_.begin() && index <= std::prev(after)->last;
}

std::int64_t IndexSet::count() const {
  std::int64_t total = 0;
  for (const auto& run : runs_) total += run.last - run.first + 1;
  return total;
}

std::int64_t IndexSet::count_common(const IndexSet& other) const {
  std::int64_t total = 0;
  auto theirs = other.runs_.begin();
  for (const auto& run : runs_) {
    while (theirs != other.runs_.end() && theirs->last < run.first) ++theirs;
    for (auto at = theirs; at != other.runs_.end() && at->first <= run.last; ++at)
      total += std::min(run.last, at->last) - std::max(run.first, at->first) + 1;
  }
  return total;
}

std::string IndexSet::str() const {
  std::string text;
  for (const auto& run : runs_) {
    if (!text.empty()) text += ',';
    text += fmt::to_string(run.first);
    if (run.last > run.first) text += (run.last == run.first + 1 ? ',' : '-') + fmt::to_string(run.last);
  }
  return text;
}

}  // namespace mk::controller::job
