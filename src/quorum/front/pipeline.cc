#include "front/pipeline.h"

#include <algorithm>

#include "mk/base/assert.h"

namespace mk::quorum {
namespace {

using store::Change;
using store::Durability;
using store::Operation;
using store::Revision;

// Revisions are reserved this many at a time; the next portion goes along with an entry when half is left.
constexpr Revision kReserve = 100'000;
// An entry this large does not wait for the one before it.
constexpr std::size_t kLargeEntry = 1 << 20;
// Lazy changes in memory before they get an entry of their own.
constexpr std::size_t kLazyBytes = 4 << 20;

}  // namespace

void Pipeline::lead(Revision shown, Revision start, Revision ceiling) {
  MK_ASSERT(!leading_);
  // Everything of earlier terms has been delivered: what has not come back never will.
  lose_flights();
  ledger_.forget_proposed();
  draft_.clear();
  leading_ = true;
  closing_ = false;
  wanted_ = false;
  compact_to_ = 0;
  skipped_to_ = start > shown ? start : 0;
  next_ = proposed_ = committed_ = shown_ = start;
  ceiling_ = ceiling_asked_ = ceiling;
}

void Pipeline::follow() {
  if (!leading_) return;
  leading_ = false;
  wanted_ = false;
  for (auto& change : draft_.changes()) {
    if (change.revision <= shown_) lost_.push_back(std::move(change));
  }
  draft_.clear();
  end_after(proposed_, End::kRetry);
  ledger_.forget_proposed();
}

std::optional<Pipeline::Conflict> Pipeline::conflict_of(const Operation& operation,
                                                        const Ledger::Known& known) const {
  if (operation.expected != Operation::kAny && operation.expected != known.revision)
    return Conflict(
        Error(Reason::kConflict, operation.key + " is at revision " + std::to_string(known.revision) +
                                     ", not " + std::to_string(operation.expected)),
        std::max(known.since, known.revision));
  if (operation.kind == Operation::Kind::kRemove && known.revision == 0)
    return Conflict(Error(Reason::kConflict, operation.key + " is not there"), known.since);
  return std::nullopt;
}

Pipeline::Verdict Pipeline::submit(const std::vector<Operation>& operations, Durability durability,
                                   Origin origin) {
  MK_ASSERT(leading_);
  Verdict verdict;
  auto ticket = std::make_shared<Ticket>();
  Revision next = next_;
  // Operations of one commit see each other; nothing is noted before all of them hold.
  const auto known_now = [&](const std::string& key) {
    for (auto at = ticket->changes.rbegin(); at != ticket->changes.rend(); ++at) {
      if (at->key != key) continue;
      return Ledger::Known{at->removed ? 0 : at->create_revision, at->removed ? 0 : at->revision, 0};
    }
    return ledger_.find(key);
  };
  for (const auto& operation : operations) {
    const Ledger::Known known = known_now(operation.key);
    verdict.conflict = conflict_of(operation, known);
    if (verdict.conflict) return verdict;
    Change change;
    change.revision = ++next;
    change.key = operation.key;
    change.create_revision = known.revision == 0 ? change.revision : known.create_revision;
    change.removed = operation.kind == Operation::Kind::kRemove;
    if (!change.removed) change.value = operation.value;
    ticket->changes.push_back(std::move(change));
  }
  next_ = next;
  ticket->last = next;
  // What changes nothing is answered in its turn, and written nowhere.
  ticket->durability = ticket->changes.empty() ? Durability::kLazy : durability;
  for (const auto& change : ticket->changes) ledger_.propose(change);
  draft_.add(ticket->changes, durability);
  if (origin.server != 0) draft_.add_origin(Origin{origin.server, origin.request, next});
  tickets_.push_back(ticket);
  if (ticket->durability == Durability::kDurable || next_ > ceiling_ || draft_.bytes() > kLazyBytes)
    want_entry();
  show_ready();
  verdict.ticket = std::move(ticket);
  return verdict;
}

void Pipeline::flush() {
  if (leading_ && !draft_.empty()) want_entry();
}

void Pipeline::compact(Revision up_to) {
  if (!leading_) return;
  compact_to_ = std::max(compact_to_, std::min(up_to, next_));
  want_entry();
}

void Pipeline::flush_and_close() {
  if (!leading_) return;
  closing_ = true;
  ceiling_ = next_;  // what is shown from here on has been committed
  if (!draft_.empty() || ceiling_asked_ > next_) propose();
}

void Pipeline::want_entry() {
  wanted_ = true;
  if (posted_ || (!flights_.empty() && draft_.bytes() < kLargeEntry)) return;
  posted_ = true;
  doors_.post([this] {
    posted_ = false;
    if (wanted_ && (flights_.empty() || draft_.bytes() >= kLargeEntry)) propose();
  });
}

Command Pipeline::next_command() const {
  Command command;
  command.changes = draft_.changes();
  command.origins = draft_.origins();
  command.compact_to = compact_to_;
  command.skipped_to = skipped_to_;
  if (closing_) {
    command.ceiling = next_;
  } else if (next_ + kReserve / 2 > ceiling_asked_) {
    command.ceiling = next_ + kReserve;
  }
  return command;
}

void Pipeline::propose() {
  wanted_ = false;
  if (!leading_) return;
  Command command = next_command();
  SharedBytes bytes = encode(command);
  auto position = doors_.propose(bytes);
  if (!position.ok()) {
    // With an entry on its way there will be another occasion.
    wanted_ = !flights_.empty();
    if (wanted_) return;
    // Nobody has seen what was refused; its revisions are free again.
    end_after(shown_, End::kFailed, &position.error());
    draft_.drop_after(shown_);
    next_ = shown_;
    compact_to_ = 0;
    ledger_.forget_proposed();
    for (const auto& change : draft_.changes()) ledger_.propose(change);
    return;
  }
  draft_.clear();
  compact_to_ = skipped_to_ = 0;
  if (command.ceiling != 0) ceiling_asked_ = command.ceiling;
  proposed_ = next_;
  flights_.push_back(Flight{*position, std::move(command), std::move(bytes), next_});
}

std::optional<Pipeline::Flight> Pipeline::take(const LogEntry& entry) {
  if (flights_.empty() || entry.index < flights_.front().position.index) return std::nullopt;
  const Raft::Position mine = flights_.front().position;
  // The position was foretold; the content is what counts.
  const bool same = flights_.front().bytes.view() == entry.data.view();
  if (mine.index == entry.index && mine.term == entry.term && same) {
    Flight flight = std::move(flights_.front());
    flights_.pop_front();
    return flight;
  }
  lose_flights();
  return std::nullopt;
}

// They will never be committed.
void Pipeline::lose_flights() {
  for (auto& flight : flights_) {
    for (auto& change : flight.command.changes) {
      if (change.revision <= shown_) lost_.push_back(std::move(change));
    }
  }
  flights_.clear();
  end_after(committed_, End::kRetry);
}

void Pipeline::committed(const Flight& flight) {
  if (flight.command.ceiling != 0 && !closing_) ceiling_ = flight.command.ceiling;
  committed_ = flight.last;
  ledger_.settle(committed_);
  show_ready();
  if (wanted_) want_entry();
}

// In the order of revisions: a lazy change waits for a durable one before it.
void Pipeline::show_ready() {
  std::vector<std::shared_ptr<Ticket>> ready;
  std::vector<Change> changes;
  while (!tickets_.empty()) {
    Ticket& ticket = *tickets_.front();
    const bool lazy = ticket.durability == Durability::kLazy && leading_ && ticket.last <= ceiling_;
    if (!lazy && ticket.last > committed_) break;
    shown_ = std::max(shown_, ticket.last);
    for (auto& change : ticket.changes) changes.push_back(std::move(change));
    ready.push_back(std::move(tickets_.front()));
    tickets_.pop_front();
  }
  if (!changes.empty()) doors_.show(changes);
  for (const auto& ticket : ready) end(*ticket, End::kDone);
}

bool Pipeline::unsettled(Revision revision) const {
  const Revision lazy = draft_.first_lazy();
  return (lazy != 0 && lazy <= revision) || (!flights_.empty() && committed_ < revision);
}

void Pipeline::end(Ticket& ticket, End how) {
  if (ticket.end == End::kOpen) ticket.end = how;
  ticket.ended.notify_all();
}

void Pipeline::end_after(Revision revision, End how, const Error* why) {
  while (!tickets_.empty() && tickets_.back()->last > revision) {
    if (why != nullptr) tickets_.back()->error = *why;
    end(*tickets_.back(), how);
    tickets_.pop_back();
  }
}

void Pipeline::give_up() {
  for (const auto& ticket : tickets_) end(*ticket, End::kUnknown);
}

std::vector<Change> Pipeline::take_lost() {
  return std::exchange(lost_, {});
}

}  // namespace mk::quorum
