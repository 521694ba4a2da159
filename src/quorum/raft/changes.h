#pragma once

#include <functional>
#include <map>
#include <memory>

#include "messages.h"
#include "mk/rt/task.h"
#include "pending.h"

namespace mk::quorum {

class Node;

// Changes of the servers, one at a time, and transfers of leadership. Done by the leader; any other server
// asks it.
class Changes {
 public:
  explicit Changes(Node& node) : node_(node) {}

  static rt::Task<Result<void>> run(std::shared_ptr<Node> node, ControlRequest request);

  bool busy() const { return change_ != nullptr || !asked_.empty(); }
  void committed(Index index, Term term);  // a membership
  void lost_leadership();
  void tick();
  void receive(ServerId from, const ControlRequest& request);
  void receive(const ControlResult& result);

 private:
  using Outcome = std::shared_ptr<Pending<void>>;
  using Members = std::vector<Member>;
  struct Asked {
    Outcome outcome;
    rt::MonoTime deadline;
  };
  struct Change {
    Index index = 0;
    Term term = 0;
    Outcome outcome = std::make_shared<Pending<void>>();
  };

  static rt::Task<Result<void>> lead(std::shared_ptr<Node> node, ControlRequest request);
  static rt::Task<Result<void>> ask_leader(std::shared_ptr<Node> node, ControlRequest request);
  static rt::Task<Result<void>> transfer(std::shared_ptr<Node> node, ServerId to);
  static rt::Task<Result<void>> remove_self(std::shared_ptr<Node> node, ControlRequest request);
  static rt::Task<Result<void>> catch_up(std::shared_ptr<Node> node, ServerId id);
  static rt::Task<> answer(std::shared_ptr<Node> node, ServerId to, ControlRequest request);
  // The members after the request; the same when there is nothing to do.
  static Result<Members> after(const Members& members, const ControlRequest& request);
  void propose(std::shared_ptr<Change> change, Members members);

  Node& node_;
  std::shared_ptr<Change> change_;  // on its way
  std::uint64_t number_ = 0;
  std::map<std::uint64_t, Asked> asked_;
};

}  // namespace mk::quorum
