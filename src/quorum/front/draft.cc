#include "front/draft.h"

namespace mk::quorum {

namespace {

std::size_t size_of(const store::Change& change) {
  return change.key.size() + (change.removed ? 0 : change.value.size());
}

}  // namespace

void Draft::add(const std::vector<store::Change>& changes, store::Durability durability) {
  for (const auto& change : changes) {
    if (durability == store::Durability::kLazy) {
      add_lazy(change);
      continue;
    }
    lazy_puts_.erase(change.key);  // what comes later does not replace what came before this
    bytes_ += size_of(change);
    changes_.push_back(Slot{change, false, false});
  }
}

void Draft::add_lazy(const store::Change& change) {
  bool born_here = change.create_revision == change.revision;
  if (const auto found = lazy_puts_.find(change.key); found != lazy_puts_.end()) {
    born_here = found->second.born_here;
    kill(found->second.at);
    lazy_puts_.erase(found);
    if (change.removed && born_here) return;  // a life that nobody else has heard of
  }
  bytes_ += size_of(change);
  if (!change.removed) lazy_puts_[change.key] = LazyPut{changes_.size(), born_here};
  changes_.push_back(Slot{change, true, false});
  tidy();
}

void Draft::kill(std::size_t at) {
  bytes_ -= size_of(changes_[at].change);
  changes_[at].dead = true;
  changes_[at].change = store::Change();
  ++dead_;
}

// Heartbeats replace each other all the time.
void Draft::tidy() {
  if (dead_ < 64 || dead_ * 2 < changes_.size()) return;
  std::vector<Slot> kept;
  std::vector<std::size_t> moved(changes_.size());
  kept.reserve(changes_.size() - dead_);
  for (std::size_t at = 0; at < changes_.size(); ++at) {
    moved[at] = kept.size();
    if (!changes_[at].dead) kept.push_back(std::move(changes_[at]));
  }
  for (auto& [key, put] : lazy_puts_) put.at = moved[put.at];
  changes_.swap(kept);
  dead_ = 0;
}

store::Revision Draft::first_lazy() const {
  for (const auto& slot : changes_) {
    if (slot.lazy && !slot.dead) return slot.change.revision;
  }
  return 0;
}

std::vector<store::Change> Draft::changes() const {
  std::vector<store::Change> out;
  out.reserve(changes_.size() - dead_);
  for (const auto& slot : changes_) {
    if (!slot.dead) out.push_back(slot.change);
  }
  return out;
}

void Draft::drop_after(store::Revision revision) {
  for (std::size_t at = 0; at < changes_.size(); ++at) {
    const Slot& slot = changes_[at];
    if (slot.dead || slot.change.revision <= revision) continue;
    const auto found = lazy_puts_.find(slot.change.key);
    if (found != lazy_puts_.end() && found->second.at == at) lazy_puts_.erase(found);
    kill(at);
  }
  std::erase_if(origins_, [&](const Origin& origin) { return origin.revision > revision; });
}

}  // namespace mk::quorum
