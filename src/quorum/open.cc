#include "front/front.h"
#include "raft/members.h"

namespace mk::quorum {
namespace {

// What an idle cluster writes in some minutes: flash is spared, a crash replays it in milliseconds.
constexpr std::size_t kHeldBytes = 128 << 10;

class NoLinks : public Links {
 public:
  void set_received(Received) override {}
  void set_peers(std::vector<Peer>) override {}
  void send(ServerId, SharedBytes) override {}
  std::size_t queued(ServerId) const override { return 0; }
};

// What a server without peers needs, on the real machine.
struct Alone {
  std::unique_ptr<rt::Clock> clock = rt::make_real_clock();
  std::unique_ptr<rt::Random> random = rt::make_random();
  std::unique_ptr<store::Disk> disk = store::make_real_disk();
  NoLinks links;
};

Result<Front::Parts> open_state(Doors& doors, const Options& options) {
  Front::Parts parts;
  parts.ledger = std::make_unique<Ledger>(doors.random.next());
  store::StateMachineOptions machine;
  machine.dir = options.dir;
  machine.hold = kHeldBytes;
  machine.each_key = [&](std::string_view key, store::Revision create_revision, store::Revision revision) {
    parts.ledger->load(key, create_revision, revision);
  };
  MK_ASSIGN(parts.machine, store::open_state_machine(doors.loop, doors.disk, doors.make_worker("state"),
                                                     std::move(machine), parts.applied));
  return parts;
}

// A state that names no servers is of before there was a log, or of a server that has yet to be told.
Result<Raft::Start> start_of(const store::Applied& applied, LogContent log, const Options& options) {
  Raft::Start start;
  start.log = std::move(log);
  start.applied = applied.index;
  start.applied_term = applied.term;
  start.members = options.founders;
  start.members_index = applied.index;
  if (applied.membership.empty()) return start;
  MK_ASSIGN(start.members, decode_members(applied.membership.view()));
  start.members_index = applied.membership_index;
  return start;
}

}  // namespace

Result<std::unique_ptr<ReplicatedStore>> open_replicated_store(Doors doors, Options options) {
  if (auto made = doors.disk.make_dirs(options.dir); !made.ok())
    return std::move(made).error().wrap("cannot use the data directory");
  // The state first: it is locked against another process, the log is not.
  MK_ASSIGN(auto parts, open_state(doors, options));
  LogOptions log_options;
  log_options.dir = options.dir + "/log";
  log_options.cluster = options.cluster;
  LogContent content;
  MK_ASSIGN(auto log, open_log(doors.disk, std::move(log_options), content));
  MK_ASSIGN(auto start, start_of(parts.applied, std::move(content), options));
  RaftOptions raft_options;
  raft_options.id = options.id;
  raft_options.timing = options.timing;
  raft_options.snapshot_dir = options.dir + "/snapshots";
  auto front = std::make_unique<Front>(doors, std::move(options), std::move(parts));
  auto handlers = front->handlers();
  auto writer = std::make_unique<LogWriter>(std::move(log), doors.make_worker("log"), handlers.failed);
  const LogWriter* figures = writer.get();
  MK_ASSIGN(auto raft, start_raft(std::move(doors), std::move(raft_options), std::move(writer),
                                  std::move(start), std::move(handlers)));
  front->attach(std::move(raft), [figures] { return figures->sync_count(); });
  return std::unique_ptr<ReplicatedStore>(std::move(front));
}

Result<std::unique_ptr<ReplicatedStore>> open_single_store(rt::Loop& loop, Options options) {
  auto alone = std::make_shared<Alone>();
  options.id = 1;
  options.founders = {Member{Peer{1, ""}, Member::Role::kVoter}};
  Doors doors{loop,           *alone->clock,
              *alone->random, *alone->disk,
              alone->links,   [&loop](const char* name) { return store::make_thread_worker(loop, name); },
              alone};
  return open_replicated_store(std::move(doors), std::move(options));
}

}  // namespace mk::quorum
