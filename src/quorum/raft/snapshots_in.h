#pragma once

#include <memory>
#include <string>

#include "messages.h"
#include "mk/rt/task.h"
#include "mk/store/disk.h"
#include "mk/store/state_machine.h"

namespace mk::quorum {

class Node;

// Receives a snapshot into a file, and when it is whole gives it to the core, which decides whether it
// replaces log and state. What came before a link broke is kept: the same file goes on where it stopped.
class SnapshotsIn {
 public:
  explicit SnapshotsIn(Node& node) : node_(node) {}
  void close();

  void receive(ServerId from, const SnapshotBegin& begin);
  void receive(ServerId from, const SnapshotChunk& chunk);
  void install();  // the core says so

 private:
  struct Incoming {
    ServerId from = 0;
    SnapshotBegin begin;
    std::uint64_t accepted = 0, written = 0;
    bool broken = false, gap_told = false;
    std::unique_ptr<store::File> file;  // the worker's
    std::optional<Error> error;         // written by the worker, read after its job
  };

  void open(std::shared_ptr<Incoming> incoming);
  void written(const std::shared_ptr<Incoming>& incoming, std::uint64_t bytes);
  void finished(const std::shared_ptr<Incoming>& incoming);
  std::string path() const;
  static rt::Task<> put_in_place(std::shared_ptr<Node> node, std::shared_ptr<Incoming> incoming);

  Node& node_;
  std::shared_ptr<Incoming> incoming_;
};

}  // namespace mk::quorum
