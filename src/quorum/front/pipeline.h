#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "front/draft.h"
#include "front/ledger.h"
#include "mk/rt/event.h"
#include "mk/store/state_machine.h"
#include "raft/raft.h"

namespace mk::quorum {

// What who leads does with commits: decides them by the ledger, numbers them, joins them into log entries,
// and shows and answers them in the order of their revisions. One entry is on its way at a time, unless it
// grows large: what arrives meanwhile shares the next one.
class Pipeline {
 public:
  // How a commit ends. kRetry: nothing of it happened or will. kUnknown: it may yet happen.
  enum class End { kOpen, kDone, kRetry, kUnknown, kFailed };
  struct Ticket {
    std::vector<store::Change> changes;
    store::Durability durability = store::Durability::kDurable;
    store::Revision last = 0;  // the revision it is answered with
    End end = End::kOpen;
    std::optional<Error> error;  // kFailed
    rt::Event ended;
  };
  struct Conflict {
    Conflict(Error error_, store::Revision since_) : error(std::move(error_)), since(since_) {}
    Error error;
    store::Revision since;  // what it conflicts with: no answer before that is shown
  };

  struct Doors {
    std::function<Result<Raft::Position>(SharedBytes)> propose;
    std::function<void(std::function<void()>)> post;  // at the end of this turn of the loop
    std::function<void(const std::vector<store::Change>&)> show;
  };

  Pipeline(Ledger& ledger, Doors doors) : ledger_(ledger), doors_(std::move(doors)) {}

  // From `start` on, with revisions up to `ceiling` reserved; revisions from `skipped_from` (0: none) up to
  // `start` may name what is lost.
  void lead(store::Revision shown, store::Revision start, store::Revision ceiling);
  // Everything that has not been proposed ends as kRetry. Lazy changes that were shown but never proposed are
  // for lost().
  void follow();
  bool leading() const { return leading_; }

  // One of both. The ticket of a lazy commit has often ended when it is returned.
  struct Verdict {
    std::shared_ptr<Ticket> ticket;
    std::optional<Conflict> conflict;
  };
  Verdict submit(const std::vector<store::Operation>& operations, store::Durability durability,
                 Origin origin = {});
  // Puts everything that is only in memory into an entry of its own now.
  void flush();
  void compact(store::Revision up_to);
  // The same as flush(), and gives back what is reserved: the next who leads need not skip anything.
  void flush_and_close();

  // One of ours came back; `nullopt`: this position was never ours. Then everything of ours at or behind it
  // is lost: ended as kRetry, or in lost().
  struct Flight {
    Raft::Position position;
    Command command;
    SharedBytes bytes;
    store::Revision last = 0;  // given away when it was proposed
  };
  std::optional<Flight> take(const LogEntry& entry);
  // After its changes have been committed to the ledger.
  void committed(const Flight& flight);
  // Whoever waits for what was proposed and is not decided yet is told kUnknown.
  void give_up();
  bool undecided() const { return !flights_.empty(); }

  // Lazy changes that were shown here and are not in the log.
  std::vector<store::Change> take_lost();

  store::Revision shown() const { return shown_; }
  void set_shown(store::Revision revision) { shown_ = revision; }
  // Is something shown up to `revision` not in a committed entry?
  bool unsettled(store::Revision revision) const;
  bool lazy_waiting() const { return leading_ && draft_.first_lazy() != 0; }

 private:
  std::optional<Conflict> conflict_of(const store::Operation& operation, const Ledger::Known& known) const;
  void want_entry();
  void propose();
  Command next_command() const;
  void show_ready();
  void end(Ticket& ticket, End how);
  void end_after(store::Revision revision, End how, const Error* why = nullptr);
  void lose_flights();

  Ledger& ledger_;
  const Doors doors_;
  bool leading_ = false;

  Draft draft_;
  bool wanted_ = false;   // the draft shall be proposed
  bool posted_ = false;   // and will be, at the end of this turn
  bool closing_ = false;  // the ceiling goes down to what is there
  store::Revision compact_to_ = 0, skipped_to_ = 0;

  std::deque<Flight> flights_;
  std::deque<std::shared_ptr<Ticket>> tickets_;  // not shown yet, by revision
  std::vector<store::Change> lost_;

  store::Revision next_ = 0;       // the last revision that was given away
  store::Revision proposed_ = 0;   // the last one in an entry
  store::Revision committed_ = 0;  // the last one in a committed entry
  store::Revision shown_ = 0;
  store::Revision ceiling_ = 0, ceiling_asked_ = 0;
};

}  // namespace mk::quorum
