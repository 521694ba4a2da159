#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "mk/kubelet/runtime.h"
#include "pods/pod_view.h"

namespace mk::kubelet {

struct ReasonMessage {
  std::string reason, message;
};

struct ImageNames {
  std::string name, id;  // as a container status shows them
};

// Resources by container name: {"limits": ..., "requests": ...}.
using Allocation = std::map<std::string, Json>;

// All that a pod's status is made of, besides its spec and the status that the API has.
struct StatusInputs {
  const PodSnapshot* snapshot = nullptr;
  std::map<std::string, ReasonMessage> waiting;             // by container name: why it is not running
  std::set<std::string> ready, started;                     // container ids, by their probes
  std::map<std::string, std::string> termination_messages;  // by container id
  std::map<std::string, ImageNames> images;                 // by image id
  std::set<std::string> start_errors;                       // container ids that could not be executed
  std::string node_ip;
  std::string pod_ip;                    // kept when the sandbox has gone
  std::optional<ReasonMessage> failure;  // the kubelet ended the pod: phase Failed
  bool evicted = false;                  // for the good of the node: a disruption, not the pod's fault
  // Where they differ from the spec: what the node has granted, and what is in force in the running
  // containers.
  Allocation granted, actual;
  std::optional<ReasonMessage> resize_pending, resize_running;
  bool stopped = false;  // nothing of the pod runs any more nor will
  rt::WallTime now;
};

// The complete PodStatus. Pure. Conditions of other owners and fields the kubelet does not write are kept.
Json make_pod_status(const Json& pod, const StatusInputs& inputs);

// The strategic merge patch that turns the status `current` (of the API) into `wanted`; nullopt: no
// difference.
std::optional<Json> status_patch(const std::string& uid, const Json& current, const Json& wanted);

std::string join_names(const std::vector<std::string>& names);  // "[a b]"

}  // namespace mk::kubelet
