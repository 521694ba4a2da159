#include "reads.h"

#include "members.h"
#include "node.h"

namespace mk::quorum {

void Reads::ask(Answer answer) {
  if (node_.leads_alone()) return answer(node_.delivered());
  waiting_.push_back(Waiting{std::move(answer), node_.clock().mono() + node_.timing().election});
  node_.schedule();
}

void Reads::pump() {
  if (on_its_way_ || waiting_.empty()) return;
  if (!node_.leading() && (node_.engine().leader() == 0 || node_.engine().leader() == node_.id())) return;
  on_its_way_ = true;
  ++number_;
  asked_.swap(waiting_);
  agreed_.clear();
  index_ = node_.delivered();
  send_round();
}

void Reads::send_round() {
  if (!node_.leading()) {
    node_.send(node_.engine().leader(), ReadRequest{number_});
    return;
  }
  if (has_quorum()) return finish_round(index_);
  for (const Member& member : node_.members())
    if (member.role == Member::Role::kVoter && member.peer.id != node_.id() && !agreed_.count(member.peer.id))
      node_.send(member.peer.id, Probe{node_.engine().term(), number_});
}

bool Reads::has_quorum() const {
  std::size_t agree = 0;
  for (const Member& member : node_.members())
    if (member.role == Member::Role::kVoter &&
        (member.peer.id == node_.id() || agreed_.count(member.peer.id)))
      ++agree;
  return agree > count_voters(node_.members()) / 2;
}

void Reads::finish_round(Index index) {
  on_its_way_ = false;
  std::deque<Waiting> answered;
  answered.swap(asked_);
  for (Waiting& waiting : answered) waiting.answer(index);
  if (!waiting_.empty()) node_.schedule();
}

void Reads::expire(std::deque<Waiting>& list, rt::MonoTime now) {
  while (!list.empty() && list.front().deadline <= now) {
    const Waiting late = std::move(list.front());
    list.pop_front();
    late.answer(Error(Reason::kServiceUnavailable, "no quorum of servers answered in time"));
  }
}

void Reads::tick() {
  const rt::MonoTime now = node_.clock().mono();
  expire(asked_, now);
  expire(waiting_, now);
  if (!on_its_way_) return;
  if (asked_.empty())
    on_its_way_ = false;
  else if (node_.leading() || node_.engine().leader() != 0)
    send_round();  // a frame may have been lost: answers to either are good
}

void Reads::role_changed() {
  on_its_way_ = false;
  while (!asked_.empty()) {
    waiting_.push_front(std::move(asked_.back()));
    asked_.pop_back();
  }
}

void Reads::receive(ServerId from, const Probe& probe) {
  if (probe.term != node_.engine().term() || node_.engine().leader() != from) return;
  node_.send(from, ProbeResult{probe.term, probe.number});
}

void Reads::receive(ServerId from, const ProbeResult& result) {
  if (!on_its_way_ || !node_.leading() || result.term != node_.engine().term() || result.number != number_)
    return;
  agreed_.insert(from);
  if (has_quorum()) finish_round(index_);
}

void Reads::receive(ServerId from, const ReadRequest& request) {
  if (!node_.leading()) return node_.send(from, ReadResult{request.number, 0});
  const auto node = node_.weak_from_this();
  ask([node, from, number = request.number](Result<Index> index) {
    if (const auto self = node.lock()) self->send(from, ReadResult{number, index.value_or(0)});
  });
}

void Reads::receive(ServerId from, const ReadResult& result) {
  if (!on_its_way_ || node_.leading() || result.number != number_) return;
  if (result.index > 0) return finish_round(result.index);
  // The one we took for the leader does not lead (yet): tick() asks again.
}

}  // namespace mk::quorum
