#include "changes.h"

#include <algorithm>

#include "members.h"
#include "node.h"

namespace mk::quorum {
namespace {

constexpr int kRoundsMax = 10;  // thesis 4.2.1
constexpr auto kAnswerLimit = std::chrono::seconds(60);
constexpr auto kCommitLimit = std::chrono::seconds(20);

bool same(const std::vector<Member>& left, const std::vector<Member>& right) {
  return encode_members(left).view() == encode_members(right).view();
}

}  // namespace

rt::Task<Result<void>> Changes::run(std::shared_ptr<Node> node, ControlRequest request) {
  if (node->leading()) co_return co_await lead(node, std::move(request));
  co_return co_await ask_leader(node, std::move(request));
}

// Any other server.

rt::Task<Result<void>> Changes::ask_leader(std::shared_ptr<Node> node, ControlRequest request) {
  Changes& changes = node->changes();
  const ServerId leader = node->engine().leader();
  if (node->closed() || leader == 0 || leader == node->id())
    co_return Error(Reason::kServiceUnavailable, "the cluster has no leader now");
  request.number = (node->id() << 32) ^ ++changes.number_;
  auto outcome = std::make_shared<Pending<void>>();
  changes.asked_.emplace(request.number, Asked{outcome, node->clock().mono() + kAnswerLimit});
  node->send(leader, request);
  co_return co_await await_result(std::move(outcome));
}

void Changes::tick() {
  for (auto at = asked_.begin(); at != asked_.end();) {
    if (at->second.deadline > node_.clock().mono()) {
      ++at;
      continue;
    }
    at->second.outcome->resolve(
        Error(Reason::kTimeout, "the leader did not answer; whether the servers changed is not known"));
    at = asked_.erase(at);
  }
}

void Changes::receive(const ControlResult& result) {
  const auto found = asked_.find(result.number);
  if (found == asked_.end()) return;
  found->second.outcome->resolve(result.done ? Result<void>() : Error(result.reason, result.message));
  asked_.erase(found);
}

void Changes::receive(ServerId from, const ControlRequest& request) {
  const auto node = node_.shared_from_this();
  node->spawn("raft change", answer(node, from, request));
}

rt::Task<> Changes::answer(std::shared_ptr<Node> node, ServerId to, ControlRequest request) {
  ControlResult result;
  result.number = request.number;
  Result<void> outcome(Error(Reason::kServiceUnavailable, "this server does not lead the cluster"));
  if (node->leading()) outcome = co_await lead(node, std::move(request));
  result.done = outcome.ok();
  if (!outcome.ok()) {
    result.reason = outcome.error().reason();
    result.message = outcome.error().message();
  }
  node->send(to, result);
}

// The leader.

rt::Task<Result<void>> Changes::lead(std::shared_ptr<Node> node, ControlRequest request) {
  using Operation = ControlRequest::Operation;
  if (request.operation == Operation::kTransfer) co_return co_await transfer(node, request.id);
  Changes& changes = node->changes();
  if (changes.change_ || node->engine().members_uncommitted() || node->engine().transferee() != 0)
    co_return Error(Reason::kConflict, "another change of the servers is running");
  auto members = after(node->members(), request);
  if (!members.ok()) co_return std::move(members).error();
  if (same(*members, node->members())) co_return Result<void>();
  if (request.operation == Operation::kRemove && request.id == node->id())
    co_return co_await remove_self(node, std::move(request));

  auto change = std::make_shared<Change>();
  changes.change_ = change;  // from here on no other
  if (request.operation == Operation::kPromote) {
    auto caught_up = co_await catch_up(node, request.id);
    if (!caught_up.ok() && changes.change_ == change) changes.change_.reset();
    if (!caught_up.ok()) co_return std::move(caught_up).error();
  }
  if (node->closed() || !node->leading() || changes.change_ != change) {
    if (changes.change_ == change) changes.change_.reset();
    co_return Error(Reason::kServiceUnavailable, "leadership was lost before the servers changed");
  }
  changes.propose(change, std::move(*members));
  auto result = co_await await_result(node->clock(), kCommitLimit, change->outcome);
  if (changes.change_ == change) changes.change_.reset();
  co_return result;
}

Result<Changes::Members> Changes::after(const Members& members, const ControlRequest& request) {
  using Operation = ControlRequest::Operation;
  Members out = members;
  const auto same_id = [&request](const Member& member) { return member.peer.id == request.id; };
  const auto found = std::find_if(out.begin(), out.end(), same_id);
  if (request.operation == Operation::kAdd) {
    if (request.id == 0) return Error(Reason::kInvalid, "0 is no server's id");
    if (found != out.end()) {
      found->peer.address = request.address;  // it moved
    } else if (out.size() >= kMembersMax) {
      return Error(Reason::kForbidden, "a cluster has at most 64 servers");
    } else {
      Member learner;
      learner.peer = Peer{request.id, request.address};
      learner.role = Member::Role::kLearner;
      out.push_back(std::move(learner));
    }
    return out;
  }
  if (found == out.end()) {
    if (request.operation == Operation::kRemove) return out;
    return Error(Reason::kNotFound, "server " + std::to_string(request.id) + " is not in the cluster");
  }
  if (request.operation == Operation::kPromote) {
    found->role = Member::Role::kVoter;
    return out;
  }
  if (found->role == Member::Role::kVoter && count_voters(out) == 1)
    return Error(Reason::kForbidden, "the last voter cannot be removed: add another one first");
  out.erase(found);
  return out;
}

void Changes::propose(std::shared_ptr<Change> change, Members members) {
  node_.enqueue([this, change, next = std::move(members)] {
    LogEntry entry;
    entry.index = node_.engine().last_index() + 1;
    entry.term = node_.engine().term();
    entry.kind = LogEntry::Kind::kMembership;
    entry.data = encode_members(next);
    if (!node_.leading() || node_.engine().members_uncommitted() || node_.engine().transferee() != 0 ||
        !node_.log().has_space())
      return change->outcome->resolve(
          Error(Reason::kServiceUnavailable, "the servers cannot be changed now"));
    change->index = entry.index;
    change->term = entry.term;
    const std::vector<LogEntry> entries{entry};
    node_.carry_out(node_.engine().submit(node_.now_ms(), entries));
  });
}

void Changes::committed(Index index, Term term) {
  if (!change_ || change_->index == 0 || index < change_->index) return;
  if (change_->index == index && change_->term == term)
    change_->outcome->resolve({});
  else
    change_->outcome->resolve(
        Error(Reason::kServiceUnavailable, "another leader took over; nothing changed"));
}

void Changes::lost_leadership() {
  if (change_)
    change_->outcome->resolve(
        Error(Reason::kTimeout, "leadership was lost; whether the servers changed is not known"));
}

// A voter that lags would stop the cluster as soon as it counts. Rounds of replication get shorter; one
// within an election timeout is good enough.
rt::Task<Result<void>> Changes::catch_up(std::shared_ptr<Node> node, ServerId id) {
  const rt::Duration election = node->timing().election, step = node->timing().heartbeat / 2;
  for (int round = 0; round < kRoundsMax; ++round) {
    const Index target = node->engine().last_index();
    const rt::MonoTime begun = node->clock().mono();
    while (node->engine().match_index(id) < target) {
      if (node->clock().mono() - begun > 10 * election)
        co_return Error(Reason::kServiceUnavailable,
                        "server " + std::to_string(id) + " has not caught up with the cluster yet");
      co_await node->clock().sleep_for(step);
      if (node->closed() || !node->leading())
        co_return Error(Reason::kServiceUnavailable, "leadership was lost before the servers changed");
    }
    if (node->clock().mono() - begun <= election) co_return Result<void>();
  }
  co_return Error(Reason::kServiceUnavailable,
                  "server " + std::to_string(id) + " is too slow to catch up with the cluster");
}

rt::Task<Result<void>> Changes::transfer(std::shared_ptr<Node> node, ServerId to) {
  if (to == node->id()) co_return Result<void>();
  auto begun = std::make_shared<Pending<void>>();
  node->enqueue([raw = node.get(), to, begun] {
    auto update = raw->engine().transfer(raw->now_ms(), to);
    if (!update.ok()) return begun->resolve(std::move(update).error());
    raw->carry_out(std::move(update));
    begun->resolve({});
  });
  auto started = co_await await_result(std::move(begun));
  if (!started.ok()) co_return started;
  const rt::MonoTime deadline = node->clock().mono() + 2 * node->timing().election;
  while (!node->closed() && node->clock().mono() < deadline) {
    const ServerId leader = node->engine().leader();
    if (leader != 0 && leader != node->id()) co_return Result<void>();
    co_await node->clock().sleep_for(node->timing().heartbeat / 4);
  }
  co_return Error(Reason::kTimeout, "the other server did not take over in time");
}

// A leader that removes itself would leave its cluster without one until the next election.
rt::Task<Result<void>> Changes::remove_self(std::shared_ptr<Node> node, ControlRequest request) {
  auto moved = co_await transfer(node, 0);
  if (!moved.ok()) co_return moved;
  co_return co_await ask_leader(node, std::move(request));
}

}  // namespace mk::quorum
