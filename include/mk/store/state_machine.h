#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "mk/base/result.h"
#include "mk/store/disk.h"
#include "mk/store/store.h"

// The replicated state: SQLite behind the log, equal on every server at equal index. Deterministic: whoever
// proposed a change has decided its revision; applying decides nothing, reads no clock and makes no
// identifiers.
namespace mk::store {

// What one log entry does to the state. Changes carry their final revisions, ascending and above every
// earlier one.
struct Transition {
  std::uint64_t index = 0, term = 0;
  std::vector<Change> changes;
  Revision ceiling = 0;     // not 0: revisions up to here may have been seen; the next leader starts above
  Revision compact_to = 0;  // not 0: forget history up to here
  SharedBytes membership;   // not empty: the servers from here on (opaque here)
};

// Where the state is, read and written in the transaction of the changes.
struct Applied {
  std::uint64_t index = 0, term = 0;
  Revision revision = 0, compacted = 0, ceiling = 0;
  SharedBytes membership;
  std::uint64_t membership_index = 0;
  // Sum over live keys of a hash of (key, create_revision, revision, value): equal states have equal hashes.
  std::uint64_t hash = 0;
};

// A file that holds the whole state at one index, for another server or for keeping.
struct SnapshotFile {
  std::string path;
  Applied applied;
  std::uint64_t size = 0;
};

// Of a live key.
using KeyVisit = std::function<void(std::string_view key, Revision create_revision, Revision revision)>;

class StateMachine {
 public:
  virtual ~StateMachine() = default;

  // Queues; transitions are applied in order by the worker, several in one SQLite transaction, with no sync a
  // caller would wait for. `hash` and reads follow: whatever reads here has everything applied first. Memory
  // of the queue is bounded by `backlog()`, which the caller heeds.
  virtual void apply(Transition transition) = 0;
  virtual std::size_t backlog() const = 0;  // bytes queued, not yet in SQLite

  // Each sees every transition applied before the call.
  virtual rt::Task<Result<Range>> range(std::string prefix, std::string after, std::size_t limit,
                                        Revision at) = 0;
  virtual rt::Task<Result<std::vector<Change>>> history(Revision since, std::size_t limit) = 0;
  virtual rt::Task<Result<Applied>> applied() = 0;

  // Every live key, in no order; `visit` runs on the worker while the brain goes on.
  virtual rt::Task<Result<void>> keys(KeyVisit visit) = 0;

  // Everything up to this index is in the database file itself, synced: the log before it may go. Grows by
  // checkpoint(); never from a guess.
  virtual rt::Task<Result<std::uint64_t>> checkpoint() = 0;

  // A consistent copy of the state into `path`, in small steps between transitions; never whole in memory.
  // kConflict while another one is being made.
  virtual rt::Task<Result<SnapshotFile>> snapshot(std::string path) = 0;
  // Checks a snapshot file (format, integrity, hash) and moves it into the place of the state; crash-safe:
  // before or after, never between. What is queued, and the file, are gone afterwards. kInvalid: the file is
  // none; the state stays.
  virtual rt::Task<Result<Applied>> install(std::string path) = 0;

  // The first failure to write. The process must stop: the state no longer follows the log.
  using Failed = std::function<void(Error)>;
  virtual void set_failed(Failed failed) = 0;
};

struct StateMachineOptions {
  // Bytes of transitions that wait in memory, where they share a transaction and its pages, until somebody
  // reads or there are more. The log has them; 0 applies each as soon as it comes.
  std::size_t hold = 0;
  std::string dir;    // state.db there; made if missing
  KeyVisit each_key;  // called for every live key before open returns; may be empty
};

// Opens or creates; a file of format 1 (mk before there was a log) is taken over. kInvalid for another
// format, kConflict for one that another process has open; the message says what to do. The worker is used by
// nobody else.
Result<std::unique_ptr<StateMachine>> open_state_machine(rt::Loop& loop, Disk& disk,
                                                         std::unique_ptr<Worker> worker,
                                                         StateMachineOptions options, Applied& found);

}  // namespace mk::store
