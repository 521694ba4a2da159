#pragma once

#include <deque>
#include <functional>
#include <set>

#include "messages.h"

namespace mk::quorum {

class Node;

// Linearizable read points without a log entry and without clocks: the leader asks the voters whether they
// still follow it in its term; a quorum of answers to a question asked after a read arrived proves that no
// later leader had committed anything by then. One question serves all reads that wait. Followers ask the
// leader, again one question for all.
class Reads {
 public:
  using Answer = std::function<void(Result<Index>)>;

  explicit Reads(Node& node) : node_(node) {}

  void ask(Answer answer);
  // After events were handled: sends the next question when none is on its way.
  void pump();
  void tick();          // asks again, gives up on what has waited too long
  void role_changed();  // what is on its way proves nothing any more

  void receive(ServerId from, const Probe& probe);
  void receive(ServerId from, const ProbeResult& result);
  void receive(ServerId from, const ReadRequest& request);
  void receive(ServerId from, const ReadResult& result);

 private:
  struct Waiting {
    Answer answer;
    rt::MonoTime deadline;
  };

  void send_round();
  void finish_round(Index index);
  bool has_quorum() const;
  static void expire(std::deque<Waiting>& list, rt::MonoTime now);

  Node& node_;
  std::deque<Waiting> waiting_;  // for the next question
  std::deque<Waiting> asked_;    // by the question on its way
  bool on_its_way_ = false;
  std::uint64_t number_ = 0;  // of the last question
  Index index_ = 0;           // leader: what the round will answer
  std::set<ServerId> agreed_;
};

}  // namespace mk::quorum
