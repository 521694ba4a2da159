#include "raft.h"

#include "node.h"

namespace mk::quorum {
namespace {

class Driver : public Raft {
 public:
  explicit Driver(std::shared_ptr<Node> node) : node_(std::move(node)) {}
  ~Driver() override { node_->close(); }

  Result<Position> propose(SharedBytes command) override { return node_->propose(std::move(command)); }
  rt::Task<Result<Index>> read_index() override { return read(node_); }
  void send_front(ServerId to, SharedBytes frame) override { node_->send_front(to, std::move(frame)); }
  void trim(Index proven) override { node_->trim(proven); }

  rt::Task<Result<void>> add(Peer peer) override {
    return change(ControlRequest::Operation::kAdd, peer.id, std::move(peer.address));
  }
  rt::Task<Result<void>> promote(ServerId id) override {
    return change(ControlRequest::Operation::kPromote, id, {});
  }
  rt::Task<Result<void>> remove(ServerId id) override {
    return change(ControlRequest::Operation::kRemove, id, {});
  }
  rt::Task<Result<void>> transfer(ServerId to) override {
    return change(ControlRequest::Operation::kTransfer, to, {});
  }
  Status status() const override { return node_->status(); }

 private:
  static rt::Task<Result<Index>> read(std::shared_ptr<Node> node) {
    if (node->leads_alone()) co_return node->delivered();
    auto pending = std::make_shared<Pending<Index>>();
    node->reads().ask([pending](Result<Index> index) { pending->resolve(std::move(index)); });
    co_return co_await await_result(std::move(pending));
  }

  rt::Task<Result<void>> change(ControlRequest::Operation operation, ServerId id, std::string address) {
    ControlRequest request;
    request.operation = operation;
    request.id = id;
    request.address = std::move(address);
    return Changes::run(node_, std::move(request));
  }

  const std::shared_ptr<Node> node_;
};

}  // namespace

Result<std::unique_ptr<Raft>> start_raft(Doors doors, RaftOptions options, std::unique_ptr<LogWriter> log,
                                         Raft::Start start, Raft::Handlers handlers) {
  auto node =
      std::make_shared<Node>(std::move(doors), std::move(options), std::move(log), std::move(handlers));
  auto booted = node->boot(std::move(start));
  if (!booted.ok()) {
    node->close();
    return std::move(booted).error();
  }
  return std::unique_ptr<Raft>(std::make_unique<Driver>(std::move(node)));
}

}  // namespace mk::quorum
