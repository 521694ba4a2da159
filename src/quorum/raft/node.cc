#include "node.h"

#include <algorithm>

#include "members.h"
#include "mk/base/log.h"

namespace mk::quorum {
namespace {

constexpr mk::Log kLog("raft");
constexpr std::size_t kCommandMax = 8 << 20;
constexpr std::size_t kAppendBytes = 512 << 10;  // of entries in one frame, unless one entry is larger

}  // namespace

Node::Node(Doors doors, RaftOptions options, std::unique_ptr<LogWriter> log, Raft::Handlers handlers)
    : doors_(std::move(doors)),
      options_(std::move(options)),
      log_(std::move(log)),
      handlers_(std::move(handlers)),
      reads_(*this),
      changes_(*this),
      snapshots_out_(*this),
      snapshots_in_(*this),
      tasks_(doors_.loop.executor()) {}

void Node::close() {
  closed_ = true;
  doors_.links.set_received({});
  snapshots_in_.close();
  snapshots_out_.close();
  file_worker_.reset();
  log_.reset();
  queue_.clear();
  tasks_.cancel();
}

void Node::fail(Error error) {
  if (failed_ || closed_) return;
  failed_ = true;
  blocked_ = true;  // the core is asked nothing any more
  kLog.error("the server must end", "id", id(), "error", error.message());
  handlers_.failed(std::move(error));
}

std::uint64_t Node::now_ms() const {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(doors_.clock.mono().time_since_epoch()).count() +
      1);
}

store::Worker& Node::file_worker() {
  if (!file_worker_) file_worker_ = doors_.make_worker("raft-files");
  return *file_worker_;
}

// The queue.

void Node::enqueue(std::function<void()> work) {
  queue_.push_back(std::move(work));
  schedule();
}

void Node::enqueue_first(std::function<void()> work) {
  queue_.push_front(std::move(work));
  schedule();
}

void Node::schedule() {
  if (scheduled_ || closed_ || blocked_) return;
  scheduled_ = true;
  const auto weak = weak_from_this();
  doors_.loop.post([weak] {
    if (const auto node = weak.lock()) node->drain();
  });
}

void Node::drain() {
  scheduled_ = false;
  while (!closed_ && !blocked_) {
    submit_pending();
    if (blocked_ || queue_.empty()) break;
    const auto work = std::move(queue_.front());
    queue_.pop_front();
    work();
  }
  if (!closed_ && !blocked_) reads_.pump();
}

// Proposals.

Result<Raft::Position> Node::propose(SharedBytes command) {
  if (!leading_ || blocked_ || closed_)
    return Error(Reason::kServiceUnavailable, "this server does not lead the cluster");
  if (engine_->transferee() != 0)
    return Error(Reason::kServiceUnavailable, "leadership is being transferred");
  if (command.size() > kCommandMax)
    return Error(Reason::kRequestEntityTooLarge, "a change of more than 8 MiB cannot be stored at once");
  if (!log_->has_space()) return Error(Reason::kServiceUnavailable, "the disk of the store is full");
  if (cache_.bytes_after(delivered_) + pending_bytes_ + command.size() > options_.in_flight_bytes)
    return Error(Reason::kServiceUnavailable, "too many changes wait for a quorum of servers");
  LogEntry entry;
  entry.index = engine_->last_index() + pending_.size() + 1;
  entry.term = engine_->term();
  pending_bytes_ += command.size();
  entry.data = std::move(command);
  const Raft::Position position{entry.index, entry.term};
  pending_.push_back(std::move(entry));
  schedule();
  return position;
}

// All that were proposed since the last turn are one write and one message to each follower.
void Node::submit_pending() {
  if (pending_.empty()) return;
  std::vector<LogEntry> entries;
  entries.swap(pending_);
  pending_bytes_ = 0;
  // When a handler proposed in the middle of losing leadership, the positions it got stay empty: lost, as it
  // will see by what another leader puts there.
  if (engine_->role() != Engine::Role::kLeader || engine_->term() != entries.front().term ||
      engine_->last_index() + 1 != entries.front().index)
    return;
  auto update = engine_->submit(now_ms(), entries);
  if (update.ok()) carry_out(std::move(update));
}

// Updates.

void Node::carry_out(Result<Update> step) {
  if (closed_) return;
  if (!step.ok()) return fail(std::move(step).error());
  Update& update = *step;
  if (!update.vote_changed) {
    if (!update.entries.empty()) write(update.entries);
    return finish(make_frames(std::move(update.messages)), update.install_snapshot);
  }
  // No frame may leave, and nothing else happen, before the vote is durable. The same sync makes entries so.
  blocked_ = true;
  auto held = std::make_shared<std::vector<Frame>>();
  const auto weak = weak_from_this();
  const bool snapshot = update.install_snapshot;
  log_->set_vote(engine_->term(), engine_->vote(), [weak, held, snapshot] {
    const auto node = weak.lock();
    if (!node || node->closed_ || node->failed_) return;
    node->blocked_ = false;
    node->finish(std::move(*held), snapshot);
    node->schedule();
  });
  if (!update.entries.empty()) write(update.entries);
  *held = make_frames(std::move(update.messages));
}

void Node::write(const std::vector<LogEntry>& entries) {
  const Index first = entries.front().index;
  if (first <= cache_.last()) {
    MK_ASSERT(first > delivered_);  // what was committed is never replaced
    log_->truncate_after(first - 1);
    cache_.truncate_after(first - 1);
    for (Index& last : writes_) last = std::min(last, first - 1);
    durable_ = std::min(durable_, first - 1);
    if (members_index_ >= first) set_members(committed_members_, committed_members_index_);
  }
  for (const LogEntry& entry : entries) {
    cache_.append(entry);
    if (entry.kind == LogEntry::Kind::kMembership) {
      auto members = decode_members(entry.data.view());
      MK_ASSERT(members.ok());
      set_members(std::move(*members), entry.index);
    }
  }
  writes_.push_back(entries.back().index);
  const auto weak = weak_from_this();
  log_->append(entries, [weak] {
    if (const auto node = weak.lock()) node->on_durable();
  });
}

// A write is done: several of one sync are one event for the core.
void Node::on_durable() {
  if (closed_ || writes_.empty()) return;
  durable_ = std::max(durable_, writes_.front());
  writes_.pop_front();
  if (persisted_queued_) return;
  persisted_queued_ = true;
  enqueue([this] { on_persisted(); });
}

void Node::on_persisted() {
  persisted_queued_ = false;
  if (engine_->installing() || durable_ <= engine_->stored_index()) return;
  carry_out(engine_->entries_persisted(now_ms(), durable_));
}

void Node::finish(std::vector<Frame> frames, bool install_snapshot) {
  for (Frame& frame : frames) doors_.links.send(frame.to, std::move(frame.bytes));
  if (install_snapshot) snapshots_in_.install();
  deliver();
  if (!closed_) watch_role();
}

std::vector<Node::Frame> Node::make_frames(std::vector<Outgoing> messages) {
  std::vector<Frame> frames;
  for (const Outgoing& outgoing : messages) {
    if (const auto* message = std::get_if<Message>(&outgoing.what))
      frames.push_back(Frame{outgoing.to, encode_message(*message)});
    else if (const auto* wanted = std::get_if<AppendWanted>(&outgoing.what))
      fill(outgoing.to, *wanted, frames);
    else
      snapshots_out_.want(outgoing.to, std::get<SnapshotWanted>(outgoing.what).index);
  }
  return frames;
}

// Entries in frames of bounded size. One that cannot take them now gets none: it will say what it lacks.
void Node::fill(ServerId to, const AppendWanted& wanted, std::vector<Frame>& out) {
  Append append = wanted.message;
  const bool starved = silent(to) || doors_.links.queued(to) > options_.peer_queue_bytes;
  const Index last = starved ? append.prev_index : append.prev_index + wanted.count;
  do {
    std::size_t bytes = 0;
    append.entries.clear();
    for (Index next = append.prev_index + 1; next <= last && append.entries.size() < kEntriesMax; ++next) {
      const LogEntry& entry = cache_.at(next);
      if (!append.entries.empty() && bytes + entry.data.size() > kAppendBytes) break;
      bytes += entry.data.size();
      append.entries.push_back(entry);
    }
    const Message message(append);
    out.push_back(Frame{to, encode_message(message)});
    if (append.entries.empty()) return;
    append.prev_index = append.entries.back().index;
    append.prev_term = append.entries.back().term;
  } while (append.prev_index < last);
}

void Node::send(ServerId to, const Message& message) {
  if (!closed_ && to != 0 && to != id()) doors_.links.send(to, encode_message(message));
}

// What is committed.

void Node::deliver() {
  // The core's commit index is then of the log to come, and the entries here are of the one that goes.
  if (engine_->installing()) return;
  std::vector<LogEntry> entries;
  std::vector<LogEntry> memberships;
  while (delivered_ < std::min(engine_->commit_index(), cache_.last())) {
    const LogEntry& entry = cache_.at(++delivered_);
    if (entry.kind == LogEntry::Kind::kBarrier) continue;
    delivered_data_ = entry.index;
    entries.push_back(entry);
    if (entry.kind == LogEntry::Kind::kMembership) memberships.push_back(entry);
  }
  if (entries.empty()) return;
  for (const LogEntry& entry : memberships) {
    committed_members_ = *decode_members(entry.data.view());
    committed_members_index_ = entry.index;
  }
  handlers_.committed(std::move(entries));
  for (const LogEntry& entry : memberships) {
    if (closed_) return;
    carry_out(engine_->members_committed(now_ms(), *decode_members(entry.data.view()), entry.index));
    changes_.committed(entry.index, entry.term);
  }
  if (!closed_) evict();
}

// From here on as after a restart: what was on its way to the log is gone with it.
void Node::installed(Index index, Term term, std::vector<Member> members, Index members_index) {
  auto shared = std::make_shared<std::vector<Member>>(std::move(members));
  const auto weak = weak_from_this();
  log_->restart_at(index, term, [weak, index, term, shared, members_index] {
    const auto node = weak.lock();
    if (!node || node->closed_ || node->failed_) return;
    node->enqueue([raw = node.get(), index, term, shared, members_index] {
      raw->cache_.reset(index, term);
      raw->durable_ = raw->delivered_ = raw->delivered_data_ = raw->compacted_ = raw->trimmed_ = index;
      raw->committed_members_ = *shared;
      raw->committed_members_index_ = members_index;
      raw->set_members(*shared, members_index);
      raw->carry_out(raw->engine_->snapshot_installed(raw->now_ms(), index, term, *shared, members_index));
    });
  });
}

// Memory is bounded by bytes: what no longer fits is answered with a snapshot of the state.
void Node::evict() {
  const bool alone = members_.size() <= 1;
  const std::size_t limit = alone ? options_.cache_bytes / 8 : options_.cache_bytes;
  if (cache_.bytes() <= limit || delivered_data_ <= compacted_ || engine_->installing()) return;
  // A follower delivers what it has not stored yet; the core must know the terms of that.
  Index most = std::min(delivered_data_, engine_->stored_index());
  if (cache_.bytes() <= 4 * limit) most = std::min(most, snapshots_out_.pinned());
  if (most == 0) return;
  const Index base = cache_.base_for(limit - limit / 4, most - 1);
  if (base <= cache_.base()) return;
  compacted_ = delivered_data_;
  carry_out(engine_->compacted(now_ms(), compacted_, committed_members_, committed_members_index_,
                               compacted_ - base));
  cache_.drop_up_to(base);
  trim_log();
}

void Node::trim(Index proven) {
  proven_ = std::max(proven_, proven);
  trim_log();
}

// The log on disk keeps what memory keeps, so that followers are served alike after a restart.
void Node::trim_log() {
  const Index base = std::min(proven_, cache_.base());
  if (base <= trimmed_ || closed_) return;
  trimmed_ = base;
  log_->trim(base);
}

// Leadership.

bool Node::leads_alone() const {
  return leading_ && engine_->role() == Engine::Role::kLeader && count_voters(members_) == 1 &&
         is_voter(members_, id());
}

void Node::watch_role() {
  const bool leader = engine_->role() == Engine::Role::kLeader;
  if (leading_ && (!leader || engine_->term() != led_term_)) {
    leading_ = false;
    reads_.role_changed();
    changes_.lost_leadership();
    snapshots_out_.lost_leadership();
    kLog.info("leads no longer", "id", id(), "term", engine_->term());
    handlers_.role_changed(false);
    if (closed_) return;
  }
  if (leader && engine_->term() != led_term_) became_leader();
  if (leader && !leading_ && own_first_known_ && delivered_ >= own_first_) {
    leading_ = true;
    reads_.role_changed();
    kLog.info("leads", "id", id(), "term", led_term_);
    handlers_.role_changed(true);
    if (closed_) return;
  }
  if (!leading_) wake_.notify_all();  // time matters to it again
}

void Node::became_leader() {
  led_term_ = engine_->term();
  own_first_known_ = false;
  for (const Member& member : members_) heard_[member.peer.id] = doors_.clock.mono();
  if (count_voters(members_) == 1) {
    own_first_ = 0;  // all that is in its log is committed: it need not write to know
    own_first_known_ = true;
  } else if (cache_.term_of(cache_.last()) == led_term_) {
    own_first_ = cache_.last();  // the core's own barrier
    own_first_known_ = true;
  } else {
    submit_barrier();
  }
}

// An entry of this term: once it is committed, so is everything before it, and known to be.
void Node::submit_barrier() {
  if (barrier_queued_) return;
  barrier_queued_ = true;
  enqueue_first([this] {
    barrier_queued_ = false;
    if (engine_->role() != Engine::Role::kLeader || engine_->term() != led_term_ || own_first_known_) return;
    if (!log_->has_space()) return;  // tick() tries again
    LogEntry barrier;
    barrier.index = engine_->last_index() + 1;
    barrier.term = led_term_;
    barrier.kind = LogEntry::Kind::kBarrier;
    own_first_ = barrier.index;
    own_first_known_ = true;
    const std::vector<LogEntry> entries{barrier};
    carry_out(engine_->submit(now_ms(), entries));
  });
}

void Node::set_members(std::vector<Member> members, Index index) {
  members_ = std::move(members);
  members_index_ = index;
  std::vector<Peer> peers;
  for (const Member& member : members_)
    if (member.peer.id != id()) peers.push_back(member.peer);
  doors_.links.set_peers(std::move(peers));
  wake_.notify_all();
}

Status Node::status() const {
  Status out;
  out.leader = engine_->leader();
  out.term = engine_->term();
  out.applied = delivered_;
  out.committed = engine_->commit_index();
  out.leading = leading_;
  out.members = members_;
  return out;
}

bool Node::silent(ServerId peer) const {
  const auto heard = heard_.find(peer);
  return heard != heard_.end() && doors_.clock.mono() - heard->second > options_.timing.election;
}

bool Node::heard_lately(ServerId peer) const {
  const auto heard = heard_.find(peer);
  return heard != heard_.end() && doors_.clock.mono() - heard->second <= 3 * options_.timing.heartbeat;
}

void Node::send_front(ServerId to, SharedBytes frame) {
  if (!closed_) doors_.links.send(to, std::move(frame));
}

}  // namespace mk::quorum
