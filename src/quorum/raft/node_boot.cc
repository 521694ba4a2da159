#include <algorithm>

#include "members.h"
#include "mk/base/log.h"
#include "node.h"

namespace mk::quorum {
namespace {

constexpr mk::Log kLog("raft");

unsigned to_ms(rt::Duration duration) {
  return static_cast<unsigned>(std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
}

// The term that `log` has at `index`; 0 when it does not say.
Term term_in(const LogContent& log, Index index) {
  if (index == log.base_index) return log.base_term;
  if (index < log.base_index || index > log.base_index + log.entries.size()) return 0;
  return log.entries[index - log.base_index - 1].term;
}

// The newest servers that the log or the state know.
std::vector<Member> newest_members(const Engine::Start& from, Index& index) {
  std::vector<Member> members = from.members;
  index = from.members_index;
  for (const LogEntry& entry : from.entries)
    if (entry.kind == LogEntry::Kind::kMembership && entry.index > index) {
      members = *decode_members(entry.data.view());
      index = entry.index;
    }
  return members;
}

}  // namespace

// What the core is to start from. The log may contradict the state: a follower applies what the leader says
// is committed before its own log has it, so that a crash leaves a state that is ahead, or beside the tail of
// a log that was about to be replaced. The state is right (its entries were committed), and nothing after it
// in such a log was.
Result<Engine::Start> Node::prepare(Raft::Start start, bool& wait) {
  Engine::Start from;
  from.term = start.log.term;
  from.vote = start.log.vote;
  for (const LogEntry& entry : start.log.entries)
    if (entry.kind == LogEntry::Kind::kMembership) MK_TRY(decode_members(entry.data.view()));
  if (start.applied < start.log.base_index)
    return Error(
        Reason::kInternalError,
        "the log begins after what the state holds: a part of it is lost; restore a snapshot, or empty "
        "the data directory and join anew");
  if (start.applied > 0) {
    from.state_index = start.applied;
    from.state_term = start.applied_term;
    from.members = std::move(start.members);
    from.members_index = start.members_index;
  }
  if (start.applied > 0 && from.term < start.applied_term) {
    if (from.term != 0 || !start.log.entries.empty())
      return Error(
          Reason::kInternalError,
          "the log has forgotten its term: its disk lost what it had synced; empty the data directory "
          "and join anew");
    from.term = start.applied_term;  // a state that was restored beside an empty log
  }
  from.base = start.log.base_index;
  from.entries = std::move(start.log.entries);
  if (start.applied > 0 && term_in(LogContent{0, 0, from.base, start.log.base_term, from.entries},
                                   start.applied) != start.applied_term) {
    if (!from.entries.empty() || from.base > 0)
      kLog.warn("the log contradicts the state, which is right: starting from the state", "state",
                start.applied, "log begins", from.base);
    from.base = start.applied;
    from.entries.clear();
    log_->restart_at(start.applied, start.applied_term, [] {});
    wait = true;
  }
  cache_.reset(from.base, from.base == start.applied ? start.applied_term : start.log.base_term);
  if (from.base == 0 && from.entries.empty() && from.state_index == 0 && !start.members.empty()) {
    from.members = std::move(start.members);
    bootstrap(from);
    wait = true;
  }
  return from;
}

// A new cluster: every founder begins with the same first entry, which is committed by being so.
void Node::bootstrap(Engine::Start& from) {
  LogEntry founders;
  founders.index = founders.term = 1;
  founders.kind = LogEntry::Kind::kMembership;
  founders.data = encode_members(from.members);
  from.members.clear();
  from.term = std::max<Term>(from.term, 1);
  from.entries.push_back(founders);
  log_->set_vote(from.term, from.vote, [] {});
  log_->append(from.entries, [] {});
}

Result<void> Node::boot(Raft::Start start) {
  Engine::Options options;
  options.id = id();
  options.election_ms = to_ms(options_.timing.election);
  options.seed = static_cast<unsigned>(doors_.random.next());
  engine_ = std::make_unique<Engine>(options);

  bool wait = false;
  MK_ASSIGN(Engine::Start prepared, prepare(std::move(start), wait));
  auto from = std::make_shared<Engine::Start>(std::move(prepared));
  delivered_ = delivered_data_ = compacted_ = from->state_index;
  trimmed_ = from->base;
  for (const LogEntry& entry : from->entries) cache_.append(entry);
  committed_members_ = from->members;
  committed_members_index_ = from->members_index;
  Index index = 0;
  auto members = newest_members(*from, index);
  set_members(std::move(members), index);
  // The core makes a lone voter leader without an election, in the term its log ends with. It may have led
  // that term before and lost in the crash what others have of it: two entries of one index and term. So it
  // enters a new one, as an election would.
  if (count_voters(members_) == 1 && is_voter(members_, id())) {
    ++from->term;
    from->vote = id();
    wait = true;
  }

  const auto weak = weak_from_this();
  doors_.links.set_received([weak](ServerId sender, SharedBytes frame) {
    if (const auto node = weak.lock()) node->on_frame(sender, std::move(frame));
  });
  if (wait)
    log_->set_vote(from->term, from->vote, [weak, from] {
      if (const auto node = weak.lock()) node->begin(from);
    });
  else
    doors_.loop.post([weak, from] {
      if (const auto node = weak.lock()) node->begin(from);
    });
  return ok();
}

void Node::begin(std::shared_ptr<Engine::Start> from) {
  if (closed_ || failed_) return;
  ticked_ = doors_.clock.mono();
  blocked_ = false;
  begun_ = true;
  durable_ = cache_.last();
  carry_out(engine_->start(now_ms(), *from));
  tasks_.spawn("raft ticks", run_ticks(shared_from_this()));
  schedule();
}

}  // namespace mk::quorum
