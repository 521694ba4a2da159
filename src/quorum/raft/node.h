#pragma once

#include <deque>
#include <map>
#include <memory>

#include "changes.h"
#include "engine.h"
#include "entry_cache.h"
#include "log/log_writer.h"
#include "mk/rt/group.h"
#include "mk/rt/loop.h"
#include "pending.h"
#include "raft.h"
#include "reads.h"
#include "snapshots_in.h"
#include "snapshots_out.h"

namespace mk::quorum {

// The driver: one queue of events, each given to the core, whose updates are carried out in the safe order:
// the vote durable, entries to the log's writer, messages, what is committed. Tasks and callbacks hold it;
// close() ends it while they drain.
class Node : public std::enable_shared_from_this<Node> {
 public:
  Node(Doors doors, RaftOptions options, std::unique_ptr<LogWriter> log, Raft::Handlers handlers);

  Result<void> boot(Raft::Start start);
  void close();  // nothing is called or sent from here on

  Result<Raft::Position> propose(SharedBytes command);
  void trim(Index proven);
  void send_front(ServerId to, SharedBytes frame);
  Status status() const;

  // For the parts below.
  void schedule();
  // Runs `work` in turn; it gives the core at most one event, as its last act.
  void enqueue(std::function<void()> work);
  void enqueue_first(std::function<void()> work);
  void carry_out(Result<Update> update);
  void send(ServerId to, const Message& message);
  void spawn(std::string_view name, rt::Task<> task) { tasks_.spawn(name, std::move(task)); }
  void fail(Error error);
  // The state is a received snapshot now; the log follows.
  void installed(Index index, Term term, std::vector<Member> members, Index members_index);

  std::uint64_t now_ms() const;
  bool closed() const { return closed_; }
  bool leading() const { return leading_; }
  bool leads_alone() const;
  ServerId id() const { return options_.id; }
  Index delivered() const { return delivered_data_; }
  Index delivered_all() const { return delivered_; }
  bool silent(ServerId peer) const;        // for longer than an election
  bool heard_lately(ServerId peer) const;  // within some heartbeats
  const std::vector<Member>& members() const { return members_; }
  Index members_index() const { return members_index_; }
  const std::vector<Member>& committed_members() const { return committed_members_; }
  const Timing& timing() const { return options_.timing; }
  const RaftOptions& options() const { return options_; }
  Engine& engine() { return *engine_; }
  EntryCache& cache() { return cache_; }
  Reads& reads() { return reads_; }
  Changes& changes() { return changes_; }
  SnapshotsOut& snapshots_out() { return snapshots_out_; }
  SnapshotsIn& snapshots_in() { return snapshots_in_; }
  const Raft::Handlers& handlers() const { return handlers_; }
  rt::Clock& clock() { return doors_.clock; }
  rt::Random& random() { return doors_.random; }
  store::Disk& disk() { return doors_.disk; }
  store::Worker& file_worker();
  LogWriter& log() { return *log_; }

 private:
  struct Frame {
    ServerId to;
    SharedBytes bytes;
  };

  // Start (node_boot.cc).
  Result<Engine::Start> prepare(Raft::Start start, bool& wait);
  void bootstrap(Engine::Start& from);
  void begin(std::shared_ptr<Engine::Start> from);

  // Updates (node.cc).
  void drain();
  void submit_pending();
  void write(const std::vector<LogEntry>& entries);
  void on_durable();
  void on_persisted();
  void finish(std::vector<Frame> frames, bool install_snapshot);
  std::vector<Frame> make_frames(std::vector<Outgoing> messages);
  void fill(ServerId to, const AppendWanted& wanted, std::vector<Frame>& out);
  void deliver();
  void watch_role();
  void became_leader();
  void submit_barrier();
  void set_members(std::vector<Member> members, Index index);
  void evict();
  void trim_log();

  // What arrives and the passing of time (node_receive.cc).
  void on_frame(ServerId from, SharedBytes frame);
  void receive(ServerId from, const Message& message);
  bool tell_removed(ServerId from);
  void on_vote_request(ServerId from, const VoteRequest& request);
  void on_append(ServerId from, Append append);
  void begin_after_committed(Append& append) const;
  void on_append_result(ServerId from, const AppendResult& result);
  void on_removed(const Removed& removed);
  void renew_leadership(ServerId lost_entries);
  static rt::Task<> run_ticks(std::shared_ptr<Node> node);
  void tick();

  Doors doors_;
  const RaftOptions options_;
  std::unique_ptr<LogWriter> log_;
  Raft::Handlers handlers_;
  std::unique_ptr<Engine> engine_;
  EntryCache cache_;
  Reads reads_;
  Changes changes_;
  SnapshotsOut snapshots_out_;
  SnapshotsIn snapshots_in_;
  std::unique_ptr<store::Worker> file_worker_;
  rt::Group tasks_;

  std::deque<std::function<void()>> queue_;
  bool scheduled_ = false, closed_ = false, failed_ = false, begun_ = false;
  bool blocked_ = true;  // the core rests until the vote (or the start) is durable

  std::vector<LogEntry> pending_;  // proposed, not yet given to the core
  std::size_t pending_bytes_ = 0;
  // Last index of each write on its way to the disk; lowered where a later one replaced its end.
  std::deque<Index> writes_;
  Index durable_ = 0;
  bool persisted_queued_ = false;

  Index delivered_ = 0;       // to handlers_.committed, or passed over
  Index delivered_data_ = 0;  // the last of them that was no barrier
  Index compacted_ = 0;       // what the core takes for our snapshot
  Index proven_ = 0, trimmed_ = 0;
  std::vector<Member> members_, committed_members_;  // the newest, and the newest that is committed
  Index members_index_ = 0, committed_members_index_ = 0;

  Term led_term_ = 0;    // the last one this server was elected in
  Index own_first_ = 0;  // the first entry of that term; everything before is committed with it
  bool own_first_known_ = false;
  bool leading_ = false, removed_ = false, barrier_queued_ = false, tick_queued_ = false;
  Term entered_term_ = 0;  // the last one entered with enter_new_term()
  rt::Event wake_;
  std::map<ServerId, rt::MonoTime> heard_;
  rt::MonoTime ticked_, heartbeat_;
};

}  // namespace mk::quorum
