#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "mk/store/store.h"

namespace mk::quorum {

// What a commit has to know of the keys it touches: who leads decides by it what happens, before any of it is
// in the database. Two layers: what is committed, for every live key (by a 128-bit hash, 32 bytes each: never
// the key itself), and over it what has been proposed since, which a lost leadership takes back.
class Ledger {
 public:
  struct Known {
    store::Revision create_revision = 0, revision = 0;  // 0: there is no such key
    store::Revision since = 0;                          // the change that made it so; 0: it is committed
  };

  explicit Ledger(std::uint64_t seed) : seed_(seed) {}

  Known find(const std::string& key) const;
  Known find_committed(std::string_view key) const;

  void propose(const store::Change& change);  // revisions ascending
  // Everything proposed up to here is committed, or has been replaced by what is.
  void settle(store::Revision revision);
  void forget_proposed();
  void commit(const store::Change& change);
  void load(std::string_view key, store::Revision create_revision, store::Revision revision);

  std::size_t size() const { return used_; }  // committed keys

 private:
  struct Slot {
    std::uint64_t low = 0, high = 0;
    store::Revision create_revision = 0, revision = 0;  // revision 0: free
  };
  struct Place {
    std::uint64_t low, high;
  };

  Place place_of(std::string_view key) const;
  std::size_t slot_of(const Place& place) const;  // where it is, or would be
  void erase(std::size_t slot);
  void grow();

  std::uint64_t seed_;
  std::vector<Slot> slots_;  // open addressing, linear probing; the size is a power of two
  std::size_t used_ = 0;
  std::unordered_map<std::string, Known> proposed_;
  std::deque<std::pair<store::Revision, std::string>> order_;  // of proposed_; older ones of a key stay in it
};

}  // namespace mk::quorum
