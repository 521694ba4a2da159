#include "engine.h"

#include <cstring>

#include "core.h"
#include "members.h"
#include "mk/base/assert.h"

namespace mk::quorum {
namespace {

// Entries in flight to one follower before it answers; the byte bounds are the driver's.
constexpr unsigned kInFlightMax = 1024;
// How long the core waits before it asks again for a snapshot to be sent: short, as whoever sends it knows
// whether one is on its way, and the core ignores all refusals until then when ours has moved on since it
// asked.
constexpr unsigned kSnapshotTimeoutMs = 1000;
// The versions that the core of 0.22.1 sends; zero would make it take a pre-vote for a vote.
constexpr unsigned char kVoteVersion = 2, kAppendResultVersion = 2;

int role_of(Member::Role role) {
  return role == Member::Role::kVoter ? RAFT_VOTER : RAFT_STANDBY;
}

// The core looks at addresses only to refuse equal ones: it gets the ids.
void add_members(const std::vector<Member>& members, struct raft_configuration& out) {
  raft_configuration_init(&out);
  for (const Member& member : members) {
    const std::string address = std::to_string(member.peer.id);
    MK_ASSERT(raft_configuration_add(&out, member.peer.id, address.c_str(), role_of(member.role)) == 0);
  }
}

// Entries as the core takes them: it reads the kind, the term and the members, and never the data. It frees
// the `batch` of what it does not hand back, so that this is one byte of its own.
class CoreEntries {
 public:
  explicit CoreEntries(const std::vector<LogEntry>& entries) : source_(entries), entries_(entries.size()) {
    if (entries.empty()) return;
    token_ = raft_malloc(1);
    for (std::size_t i = 0; i < entries.size(); ++i) {
      struct raft_entry& entry = entries_[i];
      entry.term = entries[i].term;
      entry.type = static_cast<enum raft_entry_type>(entries[i].kind);
      entry.buf = {token_, 1};
      entry.batch = token_;
      if (entries[i].kind == LogEntry::Kind::kMembership) entry.buf = encode(entries[i]);
    }
  }
  ~CoreEntries() {
    for (void* buffer : buffers_) raft_free(buffer);
    if (owns_token_) raft_free(token_);
  }
  CoreEntries(const CoreEntries&) = delete;

  struct raft_entry* data() {
    return entries_.data();
  }
  unsigned size() const { return static_cast<unsigned>(entries_.size()); }
  void keep_token() { owns_token_ = true; }
  const std::vector<LogEntry>& source() const { return source_; }

 private:
  struct raft_buffer encode(const LogEntry& entry) {
    auto members = decode_members(entry.data.view());
    MK_ASSERT(members.ok());  // checked when it was received, read or proposed
    struct raft_configuration configuration;
    add_members(*members, configuration);
    struct raft_buffer buffer {};
    MK_ASSERT(raft_configuration_encode(&configuration, &buffer) == 0);
    raft_configuration_close(&configuration);
    buffers_.push_back(buffer.base);
    return buffer;
  }

  const std::vector<LogEntry>& source_;
  std::vector<struct raft_entry> entries_;
  std::vector<void*> buffers_;
  void* token_ = nullptr;
  bool owns_token_ = false;
};

// Core messages to ours.
std::variant<Message, AppendWanted, SnapshotWanted> convert(const struct raft_message& from, Index log_last,
                                                            bool installing) {
  switch (from.type) {
    case RAFT_REQUEST_VOTE: {
      const auto& m = from.request_vote;
      return Message(VoteRequest{m.term, m.last_log_index, m.last_log_term, m.disrupt_leader, m.pre_vote});
    }
    case RAFT_REQUEST_VOTE_RESULT: {
      const auto& m = from.request_vote_result;
      return Message(VoteResult{m.term, m.vote_granted, m.pre_vote});
    }
    case RAFT_APPEND_ENTRIES: {
      const auto& m = from.append_entries;
      AppendWanted wanted;
      wanted.message = Append{m.term, m.prev_log_index, m.prev_log_term, m.leader_commit, {}};
      wanted.count = m.n_entries;
      return wanted;
    }
    case RAFT_APPEND_ENTRIES_RESULT: {
      const auto& m = from.append_entries_result;
      // The core leaves last_log_index unset when it refuses an older term.
      const Index last =
          m.rejected != 0 && m.last_log_index >= m.rejected ? m.rejected - 1 : m.last_log_index;
      return Message(AppendResult{m.term, m.rejected, last, log_last, installing});
    }
    case RAFT_TIMEOUT_NOW: {
      const auto& m = from.timeout_now;
      return Message(TimeoutNow{m.term, m.last_log_index, m.last_log_term});
    }
    case RAFT_INSTALL_SNAPSHOT:
      return SnapshotWanted{from.install_snapshot.last_index};
  }
  MK_ASSERT(false);
  return SnapshotWanted{};
}

}  // namespace

struct Engine::Core {
  explicit Core(const Options& options) {
    id = std::to_string(options.id);
    MK_ASSERT(raft_init(&raft, nullptr, nullptr, options.id, id.c_str()) == 0);
    raft.tracer = nullptr;  // the default one formats every message into a static buffer
    raft_seed(&raft, options.seed);
    raft_set_election_timeout(&raft, options.election_ms);
    // Of every tick a heartbeat to everyone: the core takes a follower that did not answer between two ticks
    // for unreachable, and would make the next entries for it wait, when it had no reason to send it
    // anything.
    raft_set_heartbeat_timeout(&raft, 1);
    raft_set_install_snapshot_timeout(&raft, kSnapshotTimeoutMs);
    raft_set_pre_vote(&raft, true);
    raft_set_max_inflight_entries(&raft, kInFlightMax);
  }
  ~Core() { raft_close(&raft, nullptr); }

  // `given` is what the event carries, from index `first` on.
  Result<Update> step(struct raft_event& event, CoreEntries* given = nullptr, Index first = 0) {
    struct raft_update update {};
    if (const int error = raft_step(&raft, &event, &update); error != 0) return refused(error);
    Update out;
    out.vote_changed = (update.flags & (RAFT_UPDATE_CURRENT_TERM | RAFT_UPDATE_VOTED_FOR)) != 0;
    out.install_snapshot = (update.flags & (RAFT_UPDATE_SNAPSHOT)) != 0;
    if ((update.flags & (RAFT_UPDATE_ENTRIES)) != 0) take_entries(update, given, first, out);
    if ((update.flags & (RAFT_UPDATE_MESSAGES)) != 0)
      for (unsigned i = 0; i < update.messages.n; ++i) {
        const struct raft_message& message = update.messages.batch[i];
        out.messages.push_back(
            Outgoing{message.server_id, convert(message, raft_last_index(&raft), raft.snapshot.installing)});
      }
    return out;
  }

  void take_entries(const struct raft_update& update, CoreEntries* given, Index first, Update& out) {
    if (update.entries.batch == &raft.barrier) {  // the core's own, at the start of a term
      LogEntry barrier;
      barrier.index = update.entries.index;
      barrier.term = raft.barrier.term;
      barrier.kind = LogEntry::Kind::kBarrier;
      raft_free(raft.barrier.batch);
      out.entries.push_back(std::move(barrier));
      return;
    }
    MK_ASSERT(given != nullptr && update.entries.index >= first);
    given->keep_token();
    const auto& source = given->source();
    for (std::size_t i = update.entries.index - first; i < source.size(); ++i)
      out.entries.push_back(source[i]);
    MK_ASSERT(out.entries.size() == update.entries.n && out.entries.front().index == update.entries.index);
  }

  Error refused(int error) {
    switch (error) {
      case RAFT_NOTLEADER:
        return Error(Reason::kServiceUnavailable, "this server does not lead the cluster");
      case RAFT_CANTCHANGE:
        return Error(Reason::kConflict, "another change of the servers is running");
      case RAFT_NOTFOUND:
        return Error(Reason::kInvalid, "there is no other voter");
      case RAFT_BADID:
        return Error(Reason::kNotFound, "no such voter");
      case RAFT_NOMEM:
        MK_ASSERT(false);
        break;
      default:
        break;
    }
    return Error(Reason::kInternalError,
                 std::string("this server's log contradicts its cluster's (") + raft_strerror(error) +
                     "); its data directory must be emptied and the server joined anew");
  }

  struct raft_event event(std::uint64_t now, enum raft_event_type type) const {
    struct raft_event out;
    std::memset(&out, 0, sizeof out);
    out.time = now;
    out.type = type;
    return out;
  }

  std::string id;
  struct raft raft;
};

Engine::Engine(Options options) : core_(std::make_unique<Core>(options)) {}
Engine::~Engine() = default;

Result<Update> Engine::start(std::uint64_t now, const Start& from) {
  auto event = core_->event(now, RAFT_START);
  event.start.term = from.term;
  event.start.voted_for = from.vote;
  struct raft_snapshot_metadata state {};
  if (from.state_index > 0) {
    state.index = from.state_index;
    state.term = from.state_term;
    add_members(from.members, state.configuration);
    state.configuration_index = from.members_index;
    event.start.metadata = &state;
  }
  CoreEntries entries(from.entries);
  entries.keep_token();
  event.start.start_index = from.base + 1;
  event.start.entries = entries.data();
  event.start.n_entries = entries.size();
  return core_->step(event);
}

namespace {

struct raft_message base_message(enum raft_message_type type, ServerId from, const std::string& address) {
  struct raft_message out;
  std::memset(&out, 0, sizeof out);
  out.type = type;
  out.server_id = from;
  out.server_address = address.c_str();
  return out;
}

}  // namespace

Result<Update> Engine::receive(std::uint64_t now, ServerId from, const Message& message) {
  auto event = core_->event(now, RAFT_RECEIVE);
  const std::string address = std::to_string(from);
  struct raft_message out = base_message(RAFT_APPEND_ENTRIES, from, address);
  event.receive.message = &out;
  if (const auto* append = std::get_if<Append>(&message)) {
    CoreEntries entries(append->entries);
    out.append_entries = {0,
                          append->term,
                          append->prev_index,
                          append->prev_term,
                          append->commit,
                          entries.data(),
                          entries.size()};
    return core_->step(event, &entries, append->prev_index + 1);
  }
  if (const auto* result = std::get_if<AppendResult>(&message)) {
    out.type = RAFT_APPEND_ENTRIES_RESULT;
    out.append_entries_result = {
        kAppendResultVersion, result->term, result->rejected, result->last_index, 0, 0};
  } else if (const auto* request = std::get_if<VoteRequest>(&message)) {
    out.type = RAFT_REQUEST_VOTE;
    out.request_vote = {kVoteVersion,     request->term,    from, request->last_index, request->last_term,
                        request->disrupt, request->pre_vote};
  } else if (const auto* vote = std::get_if<VoteResult>(&message)) {
    out.type = RAFT_REQUEST_VOTE_RESULT;
    out.request_vote_result = {kVoteVersion, vote->term, vote->granted, vote->pre_vote, 0, 0};
  } else if (const auto* timeout = std::get_if<TimeoutNow>(&message)) {
    out.type = RAFT_TIMEOUT_NOW;
    out.timeout_now = {0, timeout->term, timeout->last_index, timeout->last_term};
  } else {
    MK_ASSERT(false);
  }
  return core_->step(event);
}

Result<Update> Engine::receive_snapshot(std::uint64_t now, ServerId from, Term term, Index index,
                                        Term index_term) {
  MK_ASSERT(!installing());  // the core would keep what it is given
  auto event = core_->event(now, RAFT_RECEIVE);
  const std::string address = std::to_string(from);
  struct raft_message out = base_message(RAFT_INSTALL_SNAPSHOT, from, address);
  out.install_snapshot.term = term;
  out.install_snapshot.last_index = index;
  out.install_snapshot.last_term = index_term;
  event.receive.message = &out;
  return core_->step(event);
}

Result<Update> Engine::entries_persisted(std::uint64_t now, Index last) {
  auto event = core_->event(now, RAFT_PERSISTED_ENTRIES);
  event.persisted_entries.index = last;
  return core_->step(event);
}

Result<Update> Engine::snapshot_installed(std::uint64_t now, Index index, Term term,
                                          const std::vector<Member>& members, Index members_index) {
  auto event = core_->event(now, RAFT_PERSISTED_SNAPSHOT);
  auto& state = event.persisted_snapshot;
  state.metadata.index = index;
  state.metadata.term = term;
  add_members(members, state.metadata.configuration);
  state.metadata.configuration_index = members_index;
  state.last = true;
  return core_->step(event);
}

Result<Update> Engine::members_committed(std::uint64_t now, const std::vector<Member>& members, Index index) {
  auto event = core_->event(now, RAFT_CONFIGURATION);
  event.configuration.index = index;
  add_members(members, event.configuration.conf);
  return core_->step(event);
}

Result<Update> Engine::compacted(std::uint64_t now, Index index, const std::vector<Member>& members,
                                 Index members_index, std::uint64_t trailing) {
  auto event = core_->event(now, RAFT_SNAPSHOT);
  event.snapshot.metadata.index = index;
  add_members(members, event.snapshot.metadata.configuration);
  event.snapshot.metadata.configuration_index = members_index;
  event.snapshot.trailing = static_cast<unsigned>(trailing);
  return core_->step(event);
}

Result<Update> Engine::tick(std::uint64_t now) {
  auto event = core_->event(now, RAFT_TIMEOUT);
  return core_->step(event);
}

Result<Update> Engine::submit(std::uint64_t now, const std::vector<LogEntry>& entries) {
  auto event = core_->event(now, RAFT_SUBMIT);
  CoreEntries core_entries(entries);
  event.submit.entries = core_entries.data();
  event.submit.n = core_entries.size();
  auto update = core_->step(event, &core_entries, entries.front().index);
  if (!update.ok()) core_entries.keep_token();  // stays ours when refused
  return update;
}

Result<Update> Engine::transfer(std::uint64_t now, ServerId to) {
  auto event = core_->event(now, RAFT_TRANSFER);
  event.transfer.server_id = to;
  return core_->step(event);
}

// A vote request from ourselves: the core's only way to a new term without an election. Its answer goes
// nowhere.
Result<Update> Engine::enter_new_term(std::uint64_t now) {
  VoteRequest request;
  request.term = term() + 1;
  request.last_index = last_index();
  request.last_term = UINT64_MAX;  // nobody's log is newer than one's own
  request.disrupt = true;
  const Message message(request);
  auto update = receive(now, core_->raft.id, message);
  if (update.ok()) {
    const auto to_self = [this](const Outgoing& outgoing) { return outgoing.to == core_->raft.id; };
    std::erase_if(update->messages, to_self);
  }
  return update;
}

Engine::Role Engine::role() const {
  switch (core_->raft.state) {
    case RAFT_LEADER:
      return Role::kLeader;
    case RAFT_CANDIDATE:
      return Role::kCandidate;
    default:
      return Role::kFollower;
  }
}

Term Engine::term() const {
  return raft_current_term(&core_->raft);
}
ServerId Engine::vote() const {
  return raft_voted_for(&core_->raft);
}
Index Engine::commit_index() const {
  return raft_commit_index(&core_->raft);
}
Index Engine::last_index() const {
  return raft_last_index(&core_->raft);
}
Index Engine::stored_index() const {
  return core_->raft.last_stored;
}
bool Engine::installing() const {
  return core_->raft.snapshot.installing;
}
ServerId Engine::transferee() const {
  return raft_transferee(&core_->raft);
}
std::uint64_t Engine::next_timeout() const {
  return raft_timeout(&core_->raft);
}
bool Engine::members_uncommitted() const {
  return core_->raft.configuration_uncommitted_index != 0;
}

ServerId Engine::leader() const {
  raft_id id = 0;
  const char* address = nullptr;
  raft_leader(&core_->raft, &id, &address);
  return id;
}

Index Engine::match_index(ServerId id) const {
  raft_index index = 0;
  return raft_match_index(&core_->raft, id, &index) == 0 ? index : 0;
}

}  // namespace mk::quorum
