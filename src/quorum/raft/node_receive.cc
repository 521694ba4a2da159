#include <algorithm>

#include "members.h"
#include "mk/base/log.h"
#include "node.h"

namespace mk::quorum {

namespace {
constexpr mk::Log kLog("raft");
constexpr std::size_t kQueueMax = 4096;  // frames waiting; more are dropped, their senders try again
}  // namespace

void Node::on_frame(ServerId from, SharedBytes frame) {
  if (closed_ || failed_ || frame.empty() || from == id()) return;
  heard_[from] = doors_.clock.mono();
  if (static_cast<Channel>(frame.view().front()) == Channel::kFront) {
    handlers_.front_frame(from, std::move(frame));
    return;
  }
  if (queue_.size() > kQueueMax) return;
  auto message = decode_message(frame.view());
  if (!message.ok()) {
    kLog.warn("a frame makes no sense", "from", from, "bytes", frame.size());
    return;
  }
  enqueue([this, from, held = std::move(*message)] { receive(from, held); });
}

void Node::receive(ServerId from, const Message& message) {
  if (!begun_) return;
  if (const auto* append = std::get_if<Append>(&message)) return on_append(from, *append);
  if (const auto* append_result = std::get_if<AppendResult>(&message))
    return on_append_result(from, *append_result);
  if (const auto* vote = std::get_if<VoteRequest>(&message)) return on_vote_request(from, *vote);
  if (std::holds_alternative<VoteResult>(message))
    return carry_out(engine_->receive(now_ms(), from, message));
  if (std::holds_alternative<TimeoutNow>(message)) {
    if (log_->has_space()) carry_out(engine_->receive(now_ms(), from, message));
    return;
  }
  if (const auto* probe = std::get_if<Probe>(&message)) return reads_.receive(from, *probe);
  if (const auto* probe_result = std::get_if<ProbeResult>(&message))
    return reads_.receive(from, *probe_result);
  if (const auto* read = std::get_if<ReadRequest>(&message)) {
    if (!tell_removed(from)) reads_.receive(from, *read);
    return;
  }
  if (const auto* read_result = std::get_if<ReadResult>(&message)) return reads_.receive(from, *read_result);
  if (const auto* request = std::get_if<ControlRequest>(&message)) return changes_.receive(from, *request);
  if (const auto* result = std::get_if<ControlResult>(&message)) return changes_.receive(*result);
  if (const auto* removed = std::get_if<Removed>(&message)) return on_removed(*removed);
  if (const auto* begin = std::get_if<SnapshotBegin>(&message)) return snapshots_in_.receive(from, *begin);
  if (const auto* chunk = std::get_if<SnapshotChunk>(&message)) return snapshots_in_.receive(from, *chunk);
  snapshots_out_.receive(from, std::get<SnapshotHave>(message));
}

// A server that was removed while it was away never gets the entry that says so.
bool Node::tell_removed(ServerId from) {
  if (committed_members_.empty() || find_member(committed_members_, from) != nullptr ||
      find_member(members_, from) != nullptr)
    return false;
  send(from, Removed{committed_members_index_});
  return true;
}

void Node::on_removed(const Removed& removed) {
  // Only what is newer than all we know: a server that is behind may not have heard yet that we were added.
  if (removed_ || removed.members_index <= members_index_ || find_member(members_, id()) == nullptr) return;
  removed_ = true;
  kLog.warn("this server was removed from the cluster", "id", id());
  if (handlers_.removed) handlers_.removed();
}

void Node::on_vote_request(ServerId from, const VoteRequest& request) {
  // Not known to us is not yet removed (we may be behind): told, and answered by Raft's own rules, unless we
  // lead.
  if (tell_removed(from) && engine_->role() == Engine::Role::kLeader) return;
  carry_out(engine_->receive(now_ms(), from, request));
}

// The core knows no terms below what it forgot, and would refuse, or misplace, entries from there; the leader
// would take the refusal for a loss. But all that is committed here is in every later leader's log: what it
// sends begins for us after that.
void Node::begin_after_committed(Append& append) const {
  const Index committed = engine_->commit_index();
  if (append.term < engine_->term() || engine_->installing() || cache_.base() == 0 ||
      append.prev_index > cache_.base() || append.prev_index >= committed)
    return;
  const auto known = std::min<std::size_t>(append.entries.size(), committed - append.prev_index);
  append.entries.erase(append.entries.begin(), append.entries.begin() + static_cast<std::ptrdiff_t>(known));
  append.prev_index = committed;
  append.prev_term = cache_.term_of(committed);
}

void Node::on_append(ServerId from, Append append) {
  if (engine_->role() == Engine::Role::kLeader && append.term == engine_->term())
    return fail(
        Error(Reason::kInternalError,
              "two servers lead in one term: a server id was used twice, or a disk lost what was synced"));
  for (const LogEntry& entry : append.entries)
    if (entry.kind == LogEntry::Kind::kMembership && !decode_members(entry.data.view()).ok()) {
      kLog.error("the leader sent servers that make no sense", "from", from);
      return;
    }
  if (append.term >= engine_->term()) removed_ = false;
  begin_after_committed(append);
  // A log without room would end the process. As a follower that stores nothing it can still vote.
  if (!append.entries.empty() && !log_->has_space()) append.entries.clear();

  // The core takes every membership of a message for one of its first entry's index, and then never for
  // committed (library fault D1): so a membership always comes first.
  std::vector<Append> parts;
  Append part{append.term, append.prev_index, append.prev_term, append.commit, {}};
  for (LogEntry& entry : append.entries) {
    if (entry.kind == LogEntry::Kind::kMembership && !part.entries.empty()) {
      const LogEntry before = part.entries.back();
      parts.push_back(std::move(part));
      part = Append{append.term, before.index, before.term, append.commit, {}};
    }
    part.entries.push_back(std::move(entry));
  }
  parts.push_back(std::move(part));
  for (std::size_t i = parts.size() - 1; i > 0; --i)
    enqueue_first(
        [this, from, held = std::move(parts[i])] { carry_out(engine_->receive(now_ms(), from, held)); });
  const Message first(std::move(parts.front()));
  carry_out(engine_->receive(now_ms(), from, first));
}

void Node::on_append_result(ServerId from, const AppendResult& result) {
  if (engine_->role() == Engine::Role::kLeader && result.term == engine_->term() &&
      result.log_last < engine_->match_index(from)) {
    // Library fault D3: the core would send this server nothing more, for as long as we lead.
    kLog.error("a server has lost entries that it had stored: its disk lies", "server", from, "has",
               result.log_last, "had", engine_->match_index(from));
    return renew_leadership(from);
  }
  if (result.rejected != 0 && !result.installing) snapshots_out_.refused(from);
  carry_out(engine_->receive(now_ms(), from, result));
}

// A new term's leader knows nothing of who has what, and finds out.
void Node::renew_leadership(ServerId lost_entries) {
  if (engine_->transferee() != 0) return;
  ServerId best = 0;
  for (const Member& member : members_) {
    const ServerId other = member.peer.id;
    if (member.role != Member::Role::kVoter || other == id() || other == lost_entries || silent(other))
      continue;
    if (best == 0 || engine_->match_index(other) > engine_->match_index(best)) best = other;
  }
  if (best != 0) return carry_out(engine_->transfer(now_ms(), best));
  carry_out(engine_->enter_new_term(now_ms()));
}

rt::Task<> Node::run_ticks(std::shared_ptr<Node> node) {
  while (!node->closed_) {
    if (node->leads_alone() && node->members_.size() == 1 && !node->changes_.busy())
      co_await node->wake_.wait();
    else
      co_await node->clock().sleep_for(node->timing().heartbeat / 2);
    if (node->closed_) co_return;
    if (node->tick_queued_) continue;
    node->tick_queued_ = true;
    node->enqueue([raw = node.get()] { raw->tick(); });
  }
}

void Node::tick() {
  tick_queued_ = false;
  const rt::MonoTime now = doors_.clock.mono();
  if (now - ticked_ > options_.timing.election / 4 && !leads_alone())
    kLog.debug("the server was held up", "ms",
               std::chrono::duration_cast<std::chrono::milliseconds>(now - ticked_).count());
  ticked_ = now;
  reads_.tick();
  changes_.tick();
  const bool leader = engine_->role() == Engine::Role::kLeader;
  if (leader && !own_first_known_) submit_barrier();
  // One that could not write what it would have to as a leader does not stand for it; nor one that was
  // removed.
  if (!leader && (removed_ || !log_->has_space())) return;
  // A follower that a change left as the only voter: the core would make it leader in the term of another.
  if (!leader && count_voters(members_) == 1 && is_voter(members_, id()) &&
      entered_term_ != engine_->term() && now_ms() >= engine_->next_timeout() &&
      engine_->stored_index() == engine_->last_index()) {
    entered_term_ = engine_->term() + 1;
    return carry_out(engine_->enter_new_term(now_ms()));
  }
  if (leader && now - heartbeat_ < options_.timing.heartbeat) return;
  heartbeat_ = now;
  carry_out(engine_->tick(now_ms()));
}

}  // namespace mk::quorum
