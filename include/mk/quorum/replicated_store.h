#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "mk/quorum/links.h"
#include "mk/rt/clock.h"
#include "mk/rt/random.h"
#include "mk/store/disk.h"
#include "mk/store/store.h"

// The cluster store: the store door over Raft. One server is a cluster of one voter and runs the same code.
namespace mk::quorum {

struct Member {
  enum class Role { kVoter, kLearner };
  Peer peer;
  Role role = Role::kVoter;
};

struct Timing {
  rt::Duration election = std::chrono::milliseconds(500), heartbeat = std::chrono::milliseconds(50);
};

struct Options {
  std::string dir;      // log/, state.db, snapshots/ inside; made if missing
  std::string cluster;  // id of the cluster; a directory or frame of another is refused
  ServerId id = 0;
  // For a new directory only. Not empty: the first members of a new cluster. Empty: wait to be added by a
  // leader.
  std::vector<Member> founders;
  Timing timing;
  rt::Duration lazy_delay = std::chrono::seconds(30);
};

// What the process gives: time, chance, disk, threads and wires.
struct Doors {
  rt::Loop& loop;
  rt::Clock& clock;
  rt::Random& random;
  store::Disk& disk;
  Links& links;
  std::function<std::unique_ptr<store::Worker>(const char* name)> make_worker;
  std::shared_ptr<void> kept = {};  // lives as long as the store; may be empty
};

struct Status {
  ServerId leader = 0;  // 0: none known
  std::uint64_t term = 0, applied = 0, committed = 0;
  bool leading = false;  // and every entry of earlier terms is applied: may decide
  std::vector<Member> members;
};

class ReplicatedStore : public store::Store {
 public:
  virtual Status status() const = 0;
  // Called on every change of who leads; controllers run where `leading`.
  virtual void set_leading_changed(std::function<void(bool leading)> changed) = 0;

  // Called when other servers have become members, or are none any more.
  virtual void set_members_changed(std::function<void()> changed) = 0;

  // Membership, one change at a time; asked of any server. kServiceUnavailable without a quorum, kConflict
  // while another change runs.
  virtual rt::Task<Result<void>> add(Peer peer) = 0;        // as a learner
  virtual rt::Task<Result<void>> promote(ServerId id) = 0;  // a learner that has caught up becomes a voter
  virtual rt::Task<Result<void>> remove(ServerId id) = 0;
  virtual rt::Task<Result<void>> transfer_leadership(
      ServerId to) = 0;  // 0: whoever is best; before a shutdown

  // A consistent copy of the state in a file, online.
  virtual rt::Task<Result<std::string>> save_snapshot(std::string path) = 0;

  // An orderly end: what is only in memory goes to the log, leadership to another server. Commits are refused
  // from here on. Without it lazy changes of the last lazy_delay may be lost, and revisions skip ahead.
  virtual rt::Task<> stop() = 0;

  // The process must end: the disk failed or the log contradicts the cluster. Called once.
  virtual void set_failed(std::function<void(Error)> failed) = 0;
};

// Recovers the log and the state, starts. Errors say what to do.
Result<std::unique_ptr<ReplicatedStore>> open_replicated_store(Doors doors, Options options);

// The same for a cluster of one server on the real disk, with threads of its own; id and founders are given.
// It leads as soon as the loop runs: linearize() waits for that.
Result<std::unique_ptr<ReplicatedStore>> open_single_store(rt::Loop& loop, Options options);

}  // namespace mk::quorum
