#include "front/front.h"
#include "mk/base/log.h"

// What consensus says: entries, roles, snapshots.
namespace mk::quorum {
namespace {

constexpr mk::Log kLog("quorum");

using store::Change;
using store::Revision;

// After a change of leaders, how long those whose outcome is open wait to see it in the log.
constexpr auto kUndecided = std::chrono::seconds(3);
constexpr auto kLook = std::chrono::milliseconds(50);
// Bytes of commands between two trims of the log.
constexpr std::size_t kTrimEvery = 8 << 20;
constexpr std::size_t kFeedPage = 500;

}  // namespace

Raft::Handlers Front::handlers() {
  Raft::Handlers out;
  out.committed = [this](std::vector<LogEntry> entries) { committed(std::move(entries)); };
  out.role_changed = [this](bool leading) { role_changed(leading); };
  out.front_frame = [this](ServerId from, SharedBytes frame) { frame_received(from, std::move(frame)); };
  out.make_snapshot = [this] { return make_snapshot(); };
  out.install_snapshot = [this](std::string path) { return install_snapshot(std::move(path)); };
  out.failed = [this](Error why) { fail(std::move(why)); };
  return out;
}

void Front::committed(std::vector<LogEntry> entries) {
  for (auto& entry : entries) {
    if (failure_) return;
    // What the state has is not shown again: a server that starts may be given entries it knows.
    if (entry.index > delivered_) apply(std::move(entry));
  }
  news_.notify_all();
  trim_if_due();
}

void Front::apply(LogEntry entry) {
  delivered_ = entry.index;
  since_trim_ += entry.data.size() + 64;
  if (entry.kind == LogEntry::Kind::kCommand) return apply_command(entry);
  store::Transition transition;
  transition.index = entry.index;
  transition.term = entry.term;
  if (entry.kind == LogEntry::Kind::kMembership) transition.membership = entry.data;
  machine_->apply(std::move(transition));
  if (entry.kind == LogEntry::Kind::kMembership) note_voters();
}

void Front::apply_command(const LogEntry& entry) {
  auto flight = pipeline_.take(entry);
  if (flight) return apply_ours(std::move(*flight), entry);
  if (pipeline_.leading()) pipeline_.follow();
  collect_lost();
  fix_bases();
  auto command = decode_command(entry.data.view());
  if (!command.ok()) return fail(std::move(command).error().wrap("log entry " + std::to_string(entry.index)));
  note(*command);
  if (!command->changes.empty()) {
    revision_ = command->changes.back().revision;
    pipeline_.set_shown(revision_);
    if (feed_) feed_(command->changes);
  }
  store::Transition transition;
  transition.index = entry.index;
  transition.term = entry.term;
  transition.changes = std::move(command->changes);
  transition.ceiling = command->ceiling;
  transition.compact_to = command->compact_to;
  machine_->apply(std::move(transition));
  forwarder_.resolve(command->origins);
}

void Front::apply_ours(Pipeline::Flight flight, const LogEntry& entry) {
  note(flight.command);
  store::Transition transition;
  transition.index = entry.index;
  transition.term = entry.term;
  transition.changes = flight.command.changes;
  transition.ceiling = flight.command.ceiling;
  transition.compact_to = flight.command.compact_to;
  machine_->apply(std::move(transition));
  pipeline_.committed(flight);
}

void Front::note(const Command& command) {
  for (const auto& change : command.changes) ledger_->commit(change);
  if (command.ceiling != 0) ceiling_ = command.ceiling;
  if (command.compact_to > compacted_) compacted_ = command.compact_to;
  if (command.skipped_to > revision_) skip_to(command.skipped_to);
}

void Front::show(const std::vector<Change>& changes) {
  revision_ = changes.back().revision;
  if (feed_) feed_(changes);
  news_.notify_all();
}

void Front::skip_to(Revision revision) {
  revision_ = revision;
  pipeline_.set_shown(revision);
  if (skipped_) skipped_(revision);
}

void Front::role_changed(bool leading) {
  if (leading == pipeline_.leading()) return;
  ++epoch_;
  if (leading) {
    const Revision shown = revision_, start = std::max(revision_, ceiling_);
    pipeline_.lead(shown, start, ceiling_);
    if (start > shown) skip_to(start);
    collect_lost();
    fix_bases();
    kLog.info("this server leads", "revision", revision_);
  } else {
    pipeline_.follow();
    served_.clear();
    collect_lost();
    if (pipeline_.undecided()) group_.spawn("undecided commits", give_up_later(epoch_));
    kLog.info("this server no longer leads");
  }
  note_voters();
  news_.notify_all();
  if (leading_changed_) leading_changed_(leading);
}

// One voter that leads is the whole quorum: what it has shown is all there is.
void Front::note_voters() {
  if (!raft_) return;
  std::size_t voters = 0;
  for (const auto& member : raft_->status().members) voters += member.role == Member::Role::kVoter ? 1 : 0;
  sole_voter_ = voters == 1;
  if (members_changed_) members_changed_();
}

rt::Task<> Front::give_up_later(std::uint64_t epoch) {
  co_await doors_.clock.sleep_for(kUndecided);
  if (epoch == epoch_) pipeline_.give_up();
}

// Lazy changes that watchers here have seen and no other server has: they are offered to the new leader as
// they are. Whichever way that ends, a later change of the key comes to those watchers: this one under a new
// revision, or the one that was in its way. (Showing the committed value again is not possible: it would need
// a revision, and revisions are the leader's to give.)
void Front::collect_lost() {
  for (auto& change : pipeline_.take_lost()) {
    std::erase_if(lost_, [&](const Lost& other) { return other.change.key == change.key; });
    lost_.push_back(Lost{std::move(change), std::nullopt});
  }
  if (lost_.empty() || offering_) return;
  offering_ = true;
  group_.spawn("offer lost changes", offer_lost());
}

// As the log has it before anything of the next leader's: if the key is no longer so when the change is
// offered, somebody has written it since.
void Front::fix_bases() {
  for (auto& lost : lost_) {
    if (!lost.base) lost.base = ledger_->find_committed(lost.change.key).revision;
  }
}

rt::Task<> Front::offer_lost() {
  while (!lost_.empty() && !stopping_ && !failure_) {
    auto reached = co_await read_point();
    if (!reached.ok()) {
      co_await doors_.clock.sleep_for(kLook);
      continue;
    }
    fix_bases();
    if (lost_.empty()) break;
    Lost next = std::move(lost_.front());
    lost_.erase(lost_.begin());
    const Lost again = next;
    auto offered = co_await offer(std::move(next));
    // Unknown counts as not offered: if it did happen, the same offer is a conflict.
    const bool open = !offered.ok() && !offered.error().is(Reason::kConflict);
    if (open) lost_.push_back(again);
    if (open) co_await doors_.clock.sleep_for(kLook);
  }
  offering_ = false;
}

rt::Task<Result<void>> Front::offer(Lost lost) {
  const auto kind = lost.change.removed ? store::Operation::Kind::kRemove : store::Operation::Kind::kPut;
  if (lost.change.removed && *lost.base == 0) co_return ok();
  std::vector<store::Operation> operations;
  operations.emplace_back(kind, lost.change.key, lost.change.value, *lost.base);
  MK_CO_TRY(co_await commit(std::move(operations), store::Durability::kLazy));
  co_return ok();
}

rt::Task<Result<store::SnapshotFile>> Front::make_snapshot() {
  MK_CO_TRY(doors_.disk.make_dirs(options_.dir + "/snapshots"));
  co_return co_await machine_->snapshot(options_.dir + "/snapshots/outgoing.db");
}

rt::Task<Result<store::Applied>> Front::install_snapshot(std::string path) {
  pipeline_.follow();
  collect_lost();
  MK_CO_ASSIGN(store::Applied applied, co_await machine_->install(std::move(path)));
  // Built away from the brain, then taken whole.
  auto ledger = std::make_shared<Ledger>(doors_.random.next());
  auto visit = [ledger](std::string_view key, Revision create_revision, Revision revision) {
    ledger->load(key, create_revision, revision);
  };
  MK_CO_TRY(co_await machine_->keys(std::move(visit)));
  *ledger_ = std::move(*ledger);
  pipeline_.give_up();  // what is open here may be among what was skipped
  forwarder_.skip_entries();
  auto told = co_await catch_up_feed(applied.revision);
  if (!told.ok()) {
    fail(Error(Reason::kExpired,
               "this server was behind for longer than history is kept; it starts again from the new state"));
    co_return std::move(told).error();
  }
  delivered_ = applied.index;
  compacted_ = applied.compacted;
  ceiling_ = applied.ceiling;
  revision_ = applied.revision;
  pipeline_.set_shown(revision_);
  note_voters();
  news_.notify_all();
  co_return applied;
}

// The feed has no gap across a snapshot: what happened meanwhile stands in its history.
rt::Task<Result<void>> Front::catch_up_feed(Revision up_to) {
  while (feed_ && revision_ < up_to) {
    MK_CO_ASSIGN(auto changes, co_await machine_->history(revision_, kFeedPage));
    if (changes.empty()) co_return ok();
    show(changes);
  }
  co_return ok();
}

// Not all servers at the same entry.
void Front::trim_if_due() {
  if (trimming_ || since_trim_ < kTrimEvery + kTrimEvery / 8 * (options_.id % 8)) return;
  trimming_ = true;
  since_trim_ = 0;
  group_.spawn("trim the log", trim());
}

rt::Task<> Front::trim() {
  auto proven = co_await machine_->checkpoint();
  if (proven.ok()) raft_->trim(*proven);
  trimming_ = false;
}

}  // namespace mk::quorum
