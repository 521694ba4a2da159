#pragma once

#include <memory>
#include <variant>
#include <vector>

#include "messages.h"

// libraft's step core behind a C++ face: an event goes in, what to do comes out. Owns the core's memory; does
// no I/O. Not re-entrant. engine.cc alone sees the library (core.h).
namespace mk::quorum {

// The core wants `count` entries from prev_index + 1 on sent with this message; fewer are fine.
struct AppendWanted {
  Append message;
  std::size_t count = 0;
};
// The core has no longer what this server needs: send it a state of `index` or newer.
struct SnapshotWanted {
  Index index = 0;
};

struct Outgoing {
  ServerId to = 0;
  std::variant<Message, AppendWanted, SnapshotWanted> what;
};

// To be carried out in this order: vote durable, entries to the log, messages, what is committed.
struct Update {
  bool vote_changed = false;      // term() or vote()
  std::vector<LogEntry> entries;  // to be written; from the first one's index on they replace what is there
  std::vector<Outgoing> messages;
  bool install_snapshot = false;  // the one just received takes the place of log and state
};

class Engine {
 public:
  enum class Role { kFollower, kCandidate, kLeader };

  struct Options {
    ServerId id = 0;
    unsigned election_ms = 0;
    unsigned seed = 0;
  };
  // What is on disk. The state stands at `state_index` (0: there is none) and its members; the log begins
  // after `base` <= state_index.
  struct Start {
    Term term = 0;
    ServerId vote = 0;
    Index state_index = 0;
    Term state_term = 0;
    std::vector<Member> members;
    Index members_index = 0;
    Index base = 0;
    std::vector<LogEntry> entries;
  };

  explicit Engine(Options options);
  ~Engine();

  // Times are milliseconds that never go back. An error of kInternalError: the cluster's history contradicts
  // ours, the process must end; submit() and transfer() may also refuse, changing nothing.
  Result<Update> start(std::uint64_t now, const Start& from);
  Result<Update> receive(std::uint64_t now, ServerId from, const Message& message);
  Result<Update> receive_snapshot(std::uint64_t now, ServerId from, Term term, Index index, Term index_term);
  Result<Update> entries_persisted(std::uint64_t now, Index last);
  Result<Update> snapshot_installed(std::uint64_t now, Index index, Term term,
                                    const std::vector<Member>& members, Index members_index);
  Result<Update> members_committed(std::uint64_t now, const std::vector<Member>& members, Index index);
  // The state can be sent from `index` on; forget entries up to `index` - `trailing`.
  Result<Update> compacted(std::uint64_t now, Index index, const std::vector<Member>& members,
                           Index members_index, std::uint64_t trailing);
  Result<Update> tick(std::uint64_t now);  // a leader sends its heartbeats: each heartbeat interval
  Result<Update> submit(std::uint64_t now, const std::vector<LogEntry>& entries);
  Result<Update> transfer(std::uint64_t now, ServerId to);
  // Moves to a new term with our own vote in it, as a follower.
  Result<Update> enter_new_term(std::uint64_t now);

  Role role() const;
  Term term() const;
  ServerId vote() const;
  Index commit_index() const;
  Index last_index() const;
  Index stored_index() const;  // persisted
  bool installing() const;
  ServerId leader() const;      // 0: none known
  ServerId transferee() const;  // 0: no transfer runs
  std::uint64_t next_timeout() const;
  Index match_index(ServerId id) const;  // leader; 0 for an unknown server
  bool members_uncommitted() const;

 private:
  struct Core;
  std::unique_ptr<Core> core_;
};

}  // namespace mk::quorum
