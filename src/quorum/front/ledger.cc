#include "front/ledger.h"

#include "mk/base/assert.h"
#include "mk/base/hash.h"

namespace mk::quorum {

Ledger::Known Ledger::find(const std::string& key) const {
  const auto found = proposed_.find(key);
  return found == proposed_.end() ? find_committed(key) : found->second;
}

Ledger::Known Ledger::find_committed(std::string_view key) const {
  if (slots_.empty()) return {};
  const Slot& slot = slots_[slot_of(place_of(key))];
  return Known{slot.create_revision, slot.revision, 0};
}

void Ledger::propose(const store::Change& change) {
  Known& known = proposed_[change.key];
  known.revision = change.removed ? 0 : change.revision;
  known.create_revision = change.removed ? 0 : change.create_revision;
  known.since = change.revision;
  order_.emplace_back(change.revision, change.key);
}

void Ledger::settle(store::Revision revision) {
  for (; !order_.empty() && order_.front().first <= revision; order_.pop_front()) {
    const auto found = proposed_.find(order_.front().second);
    if (found != proposed_.end() && found->second.since == order_.front().first) proposed_.erase(found);
  }
}

void Ledger::forget_proposed() {
  proposed_.clear();
  order_.clear();
}

void Ledger::commit(const store::Change& change) {
  if (!change.removed) return load(change.key, change.create_revision, change.revision);
  if (slots_.empty()) return;
  const std::size_t slot = slot_of(place_of(change.key));
  if (slots_[slot].revision != 0) erase(slot);
}

void Ledger::load(std::string_view key, store::Revision create_revision, store::Revision revision) {
  MK_ASSERT(revision > 0);
  if (used_ * 8 >= slots_.size() * 7) grow();
  const Place place = place_of(key);
  Slot& slot = slots_[slot_of(place)];
  if (slot.revision == 0) ++used_;
  slot = Slot{place.low, place.high, create_revision, revision};
}

Ledger::Place Ledger::place_of(std::string_view key) const {
  return {hash64(key, seed_), hash64(key, ~seed_)};
}

std::size_t Ledger::slot_of(const Place& place) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = place.low & mask;
  while (slots_[at].revision != 0 && (slots_[at].low != place.low || slots_[at].high != place.high))
    at = (at + 1) & mask;
  return at;
}

// Moves back what had to go past the slot, so that no search ends at it too early.
void Ledger::erase(std::size_t slot) {
  const std::size_t mask = slots_.size() - 1;
  std::size_t hole = slot;
  for (std::size_t at = (slot + 1) & mask; slots_[at].revision != 0; at = (at + 1) & mask) {
    const std::size_t home = slots_[at].low & mask;
    if (((at - home) & mask) < ((at - hole) & mask)) continue;  // it stands between the hole and its home
    slots_[hole] = slots_[at];
    hole = at;
  }
  slots_[hole] = Slot();
  --used_;
}

void Ledger::grow() {
  std::vector<Slot> old(slots_.empty() ? 64 : slots_.size() * 2);
  old.swap(slots_);
  for (const Slot& slot : old) {
    if (slot.revision != 0) slots_[slot_of(Place{slot.low, slot.high})] = slot;
  }
}

}  // namespace mk::quorum
