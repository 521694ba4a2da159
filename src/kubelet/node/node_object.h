#pragma once

#include <string>
#include <vector>

#include "mk/kubelet/kubelet.h"
#include "node/node_facts.h"

// The Node as this kubelet wants it. Pure.
namespace mk::kubelet {

inline constexpr std::string_view kVtepMacAnnotation = "mk.io/vtep-mac";

// kInvalid: a label or taint of the options is malformed; the message shows the right form.
Result<Json> make_node(const KubeletOptions& options, const NodeFacts& facts);

struct NodeStatusInputs {
  NodeFacts facts;
  NodePressure pressure;
  bool network_ready = false;
  std::vector<ImageInfo> images;
  rt::WallTime now;
};
// `current`: the Node of the API. Resources others have added to capacity and allocatable are kept.
Json make_node_status(const KubeletOptions& options, const NodeStatusInputs& inputs, const Json& current);
// Do two statuses differ in more than heartbeat times?
bool node_status_changed(const Json& before, const Json& after);

// The other nodes that can be reached over the VXLAN.
std::vector<PeerNode> make_peers(const std::vector<api::Object>& nodes, const std::string& own_name);

}  // namespace mk::kubelet
