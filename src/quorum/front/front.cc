#include "front/front.h"

#include "mk/base/log.h"

namespace mk::quorum {
namespace {

using store::Durability;
using store::Operation;
using store::Revision;

// How long a commit looks for a server that leads before it gives up, and after a change of leaders before it
// says that it does not know.
constexpr auto kPatience = std::chrono::seconds(10);
constexpr auto kAgain = std::chrono::milliseconds(300);
constexpr auto kLook = std::chrono::milliseconds(20);  // before another try
// How long a few changes may be in the log alone.
constexpr auto kApplyEvery = std::chrono::minutes(5);
// Bytes that may wait for the database before writers do.
constexpr std::size_t kBacklogMax = 32 << 20;

}  // namespace

Front::Front(Doors doors, Options options, Parts parts)
    : doors_(std::move(doors)),
      options_(std::move(options)),
      machine_(std::move(parts.machine)),
      ledger_(std::move(parts.ledger)),
      pipeline_(*ledger_, {[this](SharedBytes command) { return propose(std::move(command)); },
                           [this](std::function<void()> work) {
                             doors_.loop.post([alive = std::weak_ptr<bool>(alive_), work = std::move(work)] {
                               if (!alive.expired()) work();
                             });
                           },
                           [this](const std::vector<store::Change>& changes) { show(changes); }}),
      forwarder_({doors_.clock, [this] { return status(); },
                  [this](ServerId to, SharedBytes frame) { raft_->send_front(to, std::move(frame)); },
                  [this] { return read_point(); }, [this](Index index) { return wait_delivered(index); }},
                 options_.id, doors_.random.next() >> 1),
      group_(doors_.loop.executor()) {
  revision_ = parts.applied.revision;
  compacted_ = parts.applied.compacted;
  ceiling_ = parts.applied.ceiling;
  delivered_ = parts.applied.index;
  machine_->set_failed([this](Error why) { fail(std::move(why)); });
}

// An entry that the log cannot write ends the process, so a disk that somebody has filled is noticed before.
Result<Raft::Position> Front::propose(SharedBytes command) {
  MK_ASSIGN(const std::uint64_t free, doors_.disk.free_bytes(options_.dir));
  if (free < LogOptions().reserve)
    return Error(Reason::kServiceUnavailable, "only " + std::to_string(free >> 20) + " MiB are free below " +
                                                  options_.dir +
                                                  ": nothing is written before there is more space");
  return raft_->propose(std::move(command));
}

Front::~Front() {
  raft_.reset();  // it calls us
}

void Front::attach(std::unique_ptr<Raft> raft, std::function<std::uint64_t()> sync_count) {
  raft_ = std::move(raft);
  sync_count_ = std::move(sync_count);
  note_voters();
  group_.spawn("flush lazy changes", keep_flushing());
  group_.spawn("apply what is held", keep_applying());
}

rt::Task<Result<Revision>> Front::commit(std::vector<Operation> operations, Durability durability) {
  const rt::MonoTime deadline = doors_.clock.mono() + kPatience;
  do {
    if (failure_) co_return *failure_;
    if (stopping_) co_return Error(Reason::kServiceUnavailable, "the server is stopping");
    MaybeRevision outcome;
    if (pipeline_.leading()) {
      outcome = co_await commit_here(operations, durability, Origin());
    } else {
      outcome = co_await forwarder_.commit(operations, durability, deadline);
    }
    if (outcome) co_return std::move(*outcome);
  } while (doors_.clock.mono() < deadline);
  co_return Error(Reason::kServiceUnavailable, "the servers are changing their leader; nothing was written");
}

// nullopt: nothing happened, and somebody else may lead now.
rt::Task<Front::MaybeRevision> Front::commit_here(const std::vector<Operation>& operations,
                                                  Durability durability, Origin origin) {
  if (machine_->backlog() > kBacklogMax) co_await make_room();
  if (!pipeline_.leading()) co_return std::nullopt;
  const auto verdict = pipeline_.submit(operations, durability, origin);
  if (durability == Durability::kLazy) lazy_.notify_all();
  if (verdict.conflict) {
    const bool stands = co_await conflict_stands(verdict.conflict->since);
    if (!stands) co_return std::nullopt;
    co_return MaybeRevision(verdict.conflict->error);
  }
  const auto ticket = verdict.ticket;
  while (ticket->end == Pipeline::End::kOpen) co_await ticket->ended.wait();
  switch (ticket->end) {
    case Pipeline::End::kDone:
      co_return MaybeRevision(ticket->last);
    case Pipeline::End::kFailed:
      co_return MaybeRevision(*ticket->error);
    case Pipeline::End::kUnknown:
      co_return MaybeRevision(
          Error(Reason::kTimeout, "this server no longer leads: what it was writing may have happened"));
    default:
      co_return std::nullopt;
  }
}

// Nobody hears of a conflict with something that may never have been: the change must be shown here, and we
// must really have led when we decided.
rt::Task<bool> Front::conflict_stands(Revision since) {
  const std::uint64_t epoch = epoch_;
  if (!current()) {
    auto point = co_await read_point();
    if (!point.ok()) {
      co_await doors_.clock.sleep_for(kLook);
      co_return false;
    }
  }
  while (epoch == epoch_ && revision_ < since) co_await news_.wait();
  co_return epoch == epoch_;
}

// The database is slower than the log: writers wait for it, so that memory stays bounded.
rt::Task<> Front::make_room() {
  while (machine_->backlog() > kBacklogMax && !failure_) (void)co_await machine_->applied();
}

// Everything shown here up to `up_to` is in the log, and handed to the state machine.
rt::Task<Result<void>> Front::settle(Revision up_to) {
  const rt::MonoTime deadline = doors_.clock.mono() + kPatience;
  while (pipeline_.leading() && pipeline_.unsettled(up_to)) {
    if (failure_) co_return *failure_;
    if (doors_.clock.mono() > deadline)
      co_return Error(Reason::kServiceUnavailable, "recent changes cannot be written to the log");
    pipeline_.flush();
    co_await rt::race(news_.wait(), doors_.clock.sleep_for(kAgain));
  }
  co_return ok();
}

rt::Task<Result<store::Range>> Front::range(std::string prefix, std::string after, std::size_t limit,
                                            Revision at) {
  MK_CO_TRY(co_await settle(at == 0 ? revision_ : std::min(at, revision_)));
  co_return co_await machine_->range(std::move(prefix), std::move(after), limit, at);
}

rt::Task<Result<std::vector<store::Change>>> Front::history(Revision since, std::size_t limit) {
  MK_CO_TRY(co_await settle(revision_));
  co_return co_await machine_->history(since, limit);
}

rt::Task<Result<void>> Front::compact(Revision up_to) {
  // One server's wish is enough, and who leads has it as well.
  if (!pipeline_.leading() || up_to <= compacted_) co_return ok();
  const std::uint64_t epoch = epoch_;
  up_to = std::min(up_to, revision_);
  pipeline_.compact(up_to);
  const rt::MonoTime deadline = doors_.clock.mono() + kPatience;
  while (compacted_ < up_to) {
    if (failure_) co_return *failure_;
    if (epoch != epoch_ || doors_.clock.mono() > deadline)
      co_return Error(Reason::kTimeout, "the compaction could not be written to the log");
    co_await rt::race(news_.wait(), doors_.clock.sleep_for(kAgain));
  }
  co_return ok();
}

rt::Task<Result<void>> Front::linearize() {
  if (failure_) co_return *failure_;
  if (current()) co_return ok();
  // Whoever comes while a read point is being asked for needs a later one.
  if (!next_point_) next_point_ = std::make_shared<ReadPoint>();
  const auto point = next_point_;
  if (!points_run_) {
    points_run_ = true;
    group_.spawn("read points", run_read_points());
  }
  while (!point->done) co_await point->event.wait();
  co_return point->result;
}

rt::Task<> Front::run_read_points() {
  while (next_point_) {
    const auto point = std::exchange(next_point_, nullptr);
    // Lazy changes that were acknowledged by who leads are in its memory only.
    point->result = co_await flush_leader();
    if (point->result.ok()) point->result = co_await read_point();
    point->done = true;
    point->event.notify_all();
  }
  points_run_ = false;
}

// Everything acknowledged before this is delivered here.
rt::Task<Result<void>> Front::read_point() {
  auto index = co_await raft_->read_index();
  if (!index.ok()) co_return std::move(index).error();
  co_await wait_delivered(*index);
  co_return ok();
}

rt::Task<> Front::wait_delivered(Index index) {
  while (delivered_ < index) co_await news_.wait();
}

rt::Task<> Front::keep_flushing() {
  for (;;) {
    while (!pipeline_.lazy_waiting()) co_await lazy_.wait();
    co_await doors_.clock.sleep_for(options_.lazy_delay);
    pipeline_.flush();
  }
}

// The state machine holds what is little until somebody reads; nobody may for a long time.
rt::Task<> Front::keep_applying() {
  for (;;) {
    co_await doors_.clock.sleep_for(kApplyEvery);
    if (machine_->backlog() > 0) (void)co_await machine_->applied();
  }
}

rt::Task<> Front::stop() {
  stopping_ = true;
  if (pipeline_.leading() && !failure_) {
    pipeline_.flush_and_close();
    (void)co_await settle(revision_);
    if (!sole_voter_) (void)co_await raft_->transfer(0);
  }
  co_await group_.stop();
}

Status Front::status() const {
  Status out = raft_->status();
  out.leading = pipeline_.leading();
  return out;
}

rt::Task<Result<void>> Front::add(Peer peer) {
  co_return co_await raft_->add(std::move(peer));
}
rt::Task<Result<void>> Front::promote(ServerId id) {
  co_return co_await raft_->promote(id);
}
rt::Task<Result<void>> Front::remove(ServerId id) {
  co_return co_await raft_->remove(id);
}
rt::Task<Result<void>> Front::transfer_leadership(ServerId to) {
  co_return co_await raft_->transfer(to);
}

rt::Task<Result<std::string>> Front::save_snapshot(std::string path) {
  MK_CO_TRY(co_await linearize());
  MK_CO_TRY(co_await settle(revision_));
  MK_CO_ASSIGN(const auto file, co_await machine_->snapshot(std::move(path)));
  co_return file.path;
}

void Front::set_failed(std::function<void(Error)> failed) {
  failed_ = std::move(failed);
  if (failure_ && failed_) std::exchange(failed_, nullptr)(*failure_);
}

void Front::fail(Error why) {
  if (failure_) return;
  failure_ = std::move(why);
  pipeline_.give_up();
  news_.notify_all();
  if (failed_) std::exchange(failed_, nullptr)(*failure_);
}

}  // namespace mk::quorum
