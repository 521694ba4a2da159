#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "log/log.h"
#include "log/log_writer.h"
#include "mk/quorum/replicated_store.h"
#include "mk/store/state_machine.h"

// Consensus: libraft's step core (raft_step, 0.22.1) driven by our loop, log and links. The only folder that
// sees the library. The core is pure: what it says is persisted first, then sent, then applied.
namespace mk::quorum {

// First byte of every frame between servers.
enum class Channel : std::uint8_t { kRaft = 1, kFront = 2, kSnapshot = 3 };

class Raft {
 public:
  // All on the brain.
  struct Handlers {
    // Entries in order, each once in this process' life; kCommand and kMembership (the committed membership,
    // members.h). Also on a follower whose own log has not synced them yet.
    std::function<void(std::vector<LogEntry>)> committed;
    // `leading`: elected, and everything of earlier terms has been given to `committed`.
    std::function<void(bool leading)> role_changed;
    std::function<void(ServerId from, SharedBytes frame)> front_frame;  // Channel::kFront, that byte included
    // The leader no longer has the entries a follower needs: make a snapshot file, of everything `committed`
    // has been given before the call, removed here once it is sent (what a crash leaves is its maker's to
    // remove); and on the other side put it in the place of the state (path of a received, whole, synced
    // file).
    std::function<rt::Task<Result<store::SnapshotFile>>()> make_snapshot;
    std::function<rt::Task<Result<store::Applied>>(std::string path)> install_snapshot;
    std::function<void(Error)> failed;
    // May be empty. The cluster goes on without this server: a change of the servers that it did not hear of.
    std::function<void()> removed;
  };

  struct Start {
    LogContent log;
    Index applied = 0;  // of the state; committed entries above it are given to `committed` again
    Term applied_term = 0;
    std::vector<Member> members;  // as of the state (or the founders of a new cluster)
    Index members_index = 0;
  };

  virtual ~Raft() = default;

  // The leader appends and answers the entry's index and term at once; what comes of it arrives as
  // `committed` with that index and term (done) or another term (lost to another leader).
  // kServiceUnavailable: not leading, no space, or more than a bound is in flight.
  struct Position {
    Index index = 0;
    Term term = 0;
  };
  virtual Result<Position> propose(SharedBytes command) = 0;

  // A linearizable read point, from any server: once `committed` has delivered this index, the state is at
  // least as new as every write acknowledged before the call. One probe of a quorum serves all callers
  // waiting (ReadIndex, Ongaro's thesis 6.4). kServiceUnavailable without a quorum within the election
  // timeout.
  virtual rt::Task<Result<Index>> read_index() = 0;

  virtual void send_front(ServerId to, SharedBytes frame) = 0;

  // Entries up to here are in the state's synced file; the log keeps a tail for slow followers and drops the
  // rest.
  virtual void trim(Index proven) = 0;

  // As ReplicatedStore's, asked of any server: the others ask the leader. add() of a server that is there
  // changes its address. kTimeout: the outcome is unknown.
  virtual rt::Task<Result<void>> add(Peer peer) = 0;
  virtual rt::Task<Result<void>> promote(ServerId id) = 0;
  virtual rt::Task<Result<void>> remove(ServerId id) = 0;
  virtual rt::Task<Result<void>> transfer(ServerId to) = 0;
  virtual Status status() const = 0;
};

struct RaftOptions {
  ServerId id = 0;
  Timing timing;
  std::string snapshot_dir;
  std::size_t cache_bytes = 8 << 20;       // of entries kept for followers that lag; an eighth when alone
  std::size_t in_flight_bytes = 16 << 20;  // proposed and not yet committed
  std::size_t peer_queue_bytes = 4 << 20;  // on the link to one server, above which it gets no entries
};

Result<std::unique_ptr<Raft>> start_raft(Doors doors, RaftOptions options, std::unique_ptr<LogWriter> log,
                                         Raft::Start start, Raft::Handlers handlers);

}  // namespace mk::quorum
