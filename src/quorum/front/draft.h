#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "front/command.h"

namespace mk::quorum {

// The next log entry while it grows. Of lazy changes only the last of a key's life is kept: nobody but who
// leads has seen the others.
class Draft {
 public:
  void add(const std::vector<store::Change>& changes, store::Durability durability);
  void add_origin(Origin origin) { origins_.push_back(origin); }

  bool empty() const { return changes_.size() == dead_; }
  std::size_t bytes() const { return bytes_; }  // of keys and values
  store::Revision first_lazy() const;           // the oldest lazy change still here; 0: there is none
  std::vector<store::Change> changes() const;   // in the order of revisions
  const std::vector<Origin>& origins() const { return origins_; }
  void clear() { *this = Draft(); }
  // Takes back every change above `revision`, lazy or not.
  void drop_after(store::Revision revision);

 private:
  void add_lazy(const store::Change& change);
  void kill(std::size_t at);
  void tidy();

  struct Slot {
    store::Change change;
    bool lazy = false, dead = false;
  };
  std::vector<Slot> changes_;
  struct LazyPut {
    std::size_t at;
    bool born_here;  // the life it belongs to began in this draft
  };
  std::unordered_map<std::string, LazyPut> lazy_puts_;  // the last of a key, if nothing came after it
  std::vector<Origin> origins_;
  std::size_t bytes_ = 0, dead_ = 0;
};

}  // namespace mk::quorum
