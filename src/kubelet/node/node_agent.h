#pragma once

#include <functional>

#include "context.h"
#include "mk/rt/event.h"
#include "mk/rt/group.h"
#include "node/node_facts.h"

namespace mk::kubelet {

// This node in the API: registration, status and its heartbeats, the lease, and the pod network, which begins
// when the control plane has given the node its pod CIDR.
class NodeAgent {
 public:
  NodeAgent(Context& context, std::function<void()> network_ready);

  // Reads the machine and registers. Retries while the API cannot be reached; an error is one of the
  // options'.
  rt::Task<Result<void>> register_node();
  void start(rt::Group& group);
  void want_status();  // soon, not at the next look
  bool ready() const { return written_ready_; }
  const Json& node() const { return node_.json(); }

 private:
  rt::Task<Result<void>> register_once(Json wanted);
  rt::Task<> run_status();
  rt::Task<Result<void>> write_status();
  rt::Task<> run_lease();
  rt::Task<Result<void>> renew_lease();
  rt::Task<> run_network();
  rt::Task<Result<void>> set_up_network();

  Context& context_;
  std::function<void()> network_ready_;
  NodeFacts facts_;
  client::Informer nodes_;
  api::Object node_;  // our own, newest
  api::Object lease_;
  rt::Event changed_, status_wanted_;
  rt::MonoTime written_at_;
  std::string configured_cidr_;
  std::vector<PeerNode> peers_;
  bool peers_set_ = false, written_ready_ = false, written_ = false, status_due_ = true,
       network_dirty_ = true;
};

}  // namespace mk::kubelet
