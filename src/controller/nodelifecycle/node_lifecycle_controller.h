#pragma once

#include <unordered_map>

#include "kit/controller.h"

namespace mk::controller {

// Index of pods by the node they are on.
inline const std::string kByNode = "node";
std::vector<std::string> node_index(const api::Object& pod);

// Watches the heartbeats of nodes: one that is silent for longer than the grace gets condition Unknown, its
// pods are no longer ready; and keeps the taints that follow from conditions.
class NodeLifecycleController : public Controller {
 public:
  explicit NodeLifecycleController(Context& context);

 private:
  // When a node was last heard of, on our own clock: clocks of nodes may be off.
  struct Heard {
    std::string renewed, condition;  // as written in the lease and the status
    rt::MonoTime at;
  };

  rt::Task<Result<void>> reconcile(api::Key key) override;
  rt::MonoTime last_heard(const api::Object& node);
  rt::Task<Result<void>> write_silence(api::Object node);
  rt::Task<Result<void>> mark_pods(std::string node);
  rt::Task<Result<void>> write_taints(api::Key key);

  client::Informer& nodes_;
  client::Informer& leases_;
  client::Informer& pods_;
  std::unordered_map<std::string, Heard> heard_;
};

}  // namespace mk::controller
