#pragma once

#include <deque>
#include <vector>

#include "log/log.h"

namespace mk::quorum {

// The newest entries of the log in memory, for followers and for what is not yet committed. Its data is
// shared with whoever else keeps it. Holds exactly the entries that the core knows terms of.
class EntryCache {
 public:
  void reset(Index base, Term base_term);
  void append(const LogEntry& entry);  // of index last() + 1
  void truncate_after(Index last);     // not below the base
  void drop_up_to(Index base);         // not above last()

  Index base() const { return base_; }  // the entry before the first one
  Index last() const { return base_ + entries_.size(); }
  std::size_t bytes() const { return bytes_after(base_); }
  std::size_t bytes_after(Index index) const;  // of the entries above it; base() <= index
  const LogEntry& at(Index index) const;       // base() < index <= last()
  Term term_of(Index index) const;             // 0: unknown
  // The highest base that leaves at most `bytes`, but not above `most`.
  Index base_for(std::size_t bytes, Index most) const;

 private:
  static std::size_t cost(const LogEntry& entry) { return entry.data.size() + sizeof(LogEntry); }

  struct Slot {
    LogEntry entry;
    std::size_t end;  // cost of all entries since reset() up to this one
  };

  std::deque<Slot> entries_;
  Index base_ = 0;
  Term base_term_ = 0;
  std::size_t base_end_ = 0;
};

}  // namespace mk::quorum
