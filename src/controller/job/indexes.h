#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mk::controller::job {

// A set of completion indexes, as status.completedIndexes writes it: "1,3-5,7". Small however many it holds,
// since indexes come in runs.
class IndexSet {
 public:
  // What is malformed, and what is not below `limit`, is left out.
  static IndexSet parse(std::string_view text, std::int64_t limit);

  void add(std::int64_t index);
  bool contains(std::int64_t index) const;
  std::int64_t count() const;
  std::int64_t count_common(const IndexSet& other) const;
  bool empty() const { return runs_.empty(); }
  std::string str() const;
  bool operator==(const IndexSet&) const = default;

 private:
  struct Run {
    std::int64_t first, last;
    bool operator==(const Run&) const = default;
  };
  std::vector<Run> runs_;  // ascending, with gaps between them
};

}  // namespace mk::controller::job
