#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "front/forwarder.h"
#include "front/ledger.h"
#include "front/pipeline.h"
#include "mk/quorum/replicated_store.h"
#include "mk/rt/event.h"
#include "mk/rt/group.h"
#include "mk/store/state_machine.h"
#include "raft/raft.h"

namespace mk::quorum {

// The store as its users see it: between them and the consensus. README.md here says how a commit goes.
class Front : public ReplicatedStore {
 public:
  struct Parts {
    std::unique_ptr<store::StateMachine> machine;
    store::Applied applied;  // of it
    std::unique_ptr<Ledger> ledger;
  };

  Front(Doors doors, Options options, Parts parts);
  ~Front() override;

  // What consensus is to be started with, and then itself; before anything else is called.
  Raft::Handlers handlers();
  void attach(std::unique_ptr<Raft> raft, std::function<std::uint64_t()> sync_count);

  void set_feed(Feed feed) override { feed_ = std::move(feed); }
  void set_skipped(Skipped skipped) override { skipped_ = std::move(skipped); }
  rt::Task<Result<store::Revision>> commit(std::vector<store::Operation> operations,
                                           store::Durability durability) override;
  rt::Task<Result<store::Range>> range(std::string prefix, std::string after, std::size_t limit,
                                       store::Revision at) override;
  rt::Task<Result<void>> linearize() override;
  bool current() const override { return pipeline_.leading() && sole_voter_; }
  rt::Task<Result<std::vector<store::Change>>> history(store::Revision since, std::size_t limit) override;
  rt::Task<Result<void>> compact(store::Revision up_to) override;
  store::Revision revision() const override { return revision_; }
  store::Revision compacted() const override { return compacted_; }
  std::uint64_t sync_count() const override { return sync_count_(); }

  Status status() const override;
  void set_leading_changed(std::function<void(bool)> changed) override {
    leading_changed_ = std::move(changed);
  }
  void set_members_changed(std::function<void()> changed) override { members_changed_ = std::move(changed); }
  rt::Task<Result<void>> add(Peer peer) override;
  rt::Task<Result<void>> promote(ServerId id) override;
  rt::Task<Result<void>> remove(ServerId id) override;
  rt::Task<Result<void>> transfer_leadership(ServerId to) override;
  rt::Task<Result<std::string>> save_snapshot(std::string path) override;
  rt::Task<> stop() override;
  void set_failed(std::function<void(Error)> failed) override;

 private:
  // What who follows sees differently from what the log says: a lazy change that was shown here and is lost.
  struct Lost {
    store::Change change;
    std::optional<store::Revision> base;  // of the key in the log, before the next leader's first entry
  };
  struct ReadPoint {
    bool done = false;
    Result<void> result;
    rt::Event event;
  };
  using MaybeRevision = std::optional<Result<store::Revision>>;

  // front.cc: commits and reads
  rt::Task<MaybeRevision> commit_here(const std::vector<store::Operation>& operations,
                                      store::Durability durability, Origin origin);
  Result<Raft::Position> propose(SharedBytes command);
  rt::Task<bool> conflict_stands(store::Revision since);
  rt::Task<> make_room();
  rt::Task<Result<void>> settle(store::Revision up_to);
  rt::Task<Result<void>> read_point();
  rt::Task<> run_read_points();
  rt::Task<Result<void>> flush_leader();
  rt::Task<> wait_delivered(Index index);
  rt::Task<> keep_flushing();
  rt::Task<> keep_applying();

  // front_log.cc: what consensus says
  void committed(std::vector<LogEntry> entries);
  void apply(LogEntry entry);
  void apply_command(const LogEntry& entry);
  void apply_ours(Pipeline::Flight flight, const LogEntry& entry);
  void note(const Command& command);
  void show(const std::vector<store::Change>& changes);
  void skip_to(store::Revision revision);
  void role_changed(bool leading);
  void note_voters();
  rt::Task<> give_up_later(std::uint64_t epoch);
  void collect_lost();
  void fix_bases();
  rt::Task<> offer_lost();
  rt::Task<Result<void>> offer(Lost lost);
  rt::Task<Result<store::SnapshotFile>> make_snapshot();
  rt::Task<Result<store::Applied>> install_snapshot(std::string path);
  rt::Task<Result<void>> catch_up_feed(store::Revision up_to);
  void trim_if_due();
  rt::Task<> trim();
  void fail(Error why);

  // front_peers.cc: what other servers ask
  void frame_received(ServerId from, SharedBytes frame);
  rt::Task<> serve_commit(ServerId from, FrontMessage message);
  rt::Task<> serve_flush(ServerId from, FrontMessage message);
  FrontMessage refusal(const FrontMessage& request, Reason reason, std::string text) const;

  const Doors doors_;
  const Options options_;
  const std::unique_ptr<store::StateMachine> machine_;
  std::unique_ptr<Ledger> ledger_;
  Pipeline pipeline_;
  Forwarder forwarder_;

  Feed feed_;
  Skipped skipped_;
  std::function<void(bool)> leading_changed_;
  std::function<void()> members_changed_;
  std::function<void(Error)> failed_;
  std::function<std::uint64_t()> sync_count_;
  std::optional<Error> failure_;

  store::Revision revision_ = 0, compacted_ = 0, ceiling_ = 0;
  Index delivered_ = 0;      // everything up to here has come from consensus
  std::uint64_t epoch_ = 0;  // counts changes of our role
  bool sole_voter_ = false;
  bool stopping_ = false;
  rt::Event news_;  // delivered_, revision_ or epoch_ has changed
  rt::Event lazy_;

  std::shared_ptr<ReadPoint> next_point_;
  bool points_run_ = false;
  std::vector<Lost> lost_;
  bool offering_ = false;

  // Requests taken up while we lead, and what was refused: another copy gets the same answer.
  std::map<ServerId, std::map<std::uint64_t, std::optional<FrontMessage>>> served_;
  std::map<std::uint64_t, std::optional<Index>> flushes_;  // asked of the leader
  std::uint64_t next_flush_ = 1;

  std::size_t since_trim_ = 0;
  bool trimming_ = false;

  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  rt::Group group_;
  std::unique_ptr<Raft> raft_;
};

}  // namespace mk::quorum
