#include "entry_cache.h"

#include "mk/base/assert.h"

namespace mk::quorum {

void EntryCache::reset(Index base, Term base_term) {
  entries_.clear();
  base_ = base;
  base_term_ = base_term;
  base_end_ = 0;
}

void EntryCache::append(const LogEntry& entry) {
  MK_ASSERT(entry.index == last() + 1);
  const std::size_t before = entries_.empty() ? base_end_ : entries_.back().end;
  entries_.push_back(Slot{entry, before + cost(entry)});
}

void EntryCache::truncate_after(Index last_kept) {
  MK_ASSERT(last_kept >= base_);
  while (last() > last_kept) entries_.pop_back();
}

void EntryCache::drop_up_to(Index base) {
  MK_ASSERT(base <= last());
  while (base_ < base) {
    base_term_ = entries_.front().entry.term;
    base_end_ = entries_.front().end;
    entries_.pop_front();
    ++base_;
  }
}

const LogEntry& EntryCache::at(Index index) const {
  MK_ASSERT(index > base_ && index <= last());
  return entries_[index - base_ - 1].entry;
}

Term EntryCache::term_of(Index index) const {
  if (index == base_) return base_term_;
  return index > base_ && index <= last() ? at(index).term : 0;
}

std::size_t EntryCache::bytes_after(Index index) const {
  MK_ASSERT(index >= base_);
  if (index >= last()) return 0;
  return entries_.back().end - (index == base_ ? base_end_ : entries_[index - base_ - 1].end);
}

Index EntryCache::base_for(std::size_t bytes, Index most) const {
  Index base = base_;
  while (base < most && base < last() && bytes_after(base) > bytes) ++base;
  return base;
}

}  // namespace mk::quorum
