#pragma once

#include <map>
#include <memory>

#include "messages.h"
#include "mk/rt/event.h"
#include "mk/rt/task.h"

namespace mk::quorum {

class Node;

// Sends the state to servers whose missing entries are no longer in memory: a file that the state machine
// makes, in checked chunks, each acknowledged, few on the way at once, so that heartbeats on the same link
// are not held up. One transfer for each server, however often the core asks; one file for all that need one
// at about the same time.
class SnapshotsOut {
 public:
  explicit SnapshotsOut(Node& node) : node_(node) {}
  void close();

  void want(ServerId to, Index index);
  void receive(ServerId from, const SnapshotHave& have);
  // `from` has refused entries, and is not installing: whatever was sent is in place, or lost.
  void refused(ServerId from);
  void lost_leadership();
  // What follows it is needed by a server that receives a state just now.
  Index pinned() const;

 private:
  struct Source;
  struct Transfer {
    ServerId to = 0;
    std::uint64_t id = 0;  // of the file
    bool answered = false, begun = false, stopped = false, refused = false;
    std::uint64_t have = 0;  // at the receiver
    bool again = false;      // send from there again
    Index index = 0;
    rt::Event changed;
  };

  static rt::Task<> run(std::shared_ptr<Node> node, std::shared_ptr<Transfer> transfer, Index wanted);
  static rt::Task<bool> stream(std::shared_ptr<Node> node, std::shared_ptr<Transfer> transfer,
                               std::shared_ptr<Source> source);
  static rt::Task<> until_installed(std::shared_ptr<Node> node, std::shared_ptr<Transfer> transfer);
  static rt::Task<std::shared_ptr<Source>> source_for(std::shared_ptr<Node> node, Index wanted);
  static rt::Task<std::string> read_chunk(std::shared_ptr<Node> node, std::shared_ptr<Source> source,
                                          std::uint64_t offset);
  void end(const std::shared_ptr<Transfer>& transfer);

  Node& node_;
  std::map<ServerId, std::shared_ptr<Transfer>> transfers_;
  std::weak_ptr<Source> newest_;
  bool making_ = false;
  rt::Event made_;
};

}  // namespace mk::quorum
