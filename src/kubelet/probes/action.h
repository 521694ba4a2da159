#pragma once

#include <string>

#include "context.h"
#include "pods/pod_view.h"

namespace mk::kubelet {

struct ActionResult {
  bool success = false;
  std::string output;  // what went wrong, for events
};

// Where an action is aimed at.
struct ActionTarget {
  std::string container_id, pod_ip;
  const Json* pod = nullptr;
  const Json* container = nullptr;  // for named ports
};

// Runs the exec, httpGet, tcpSocket, grpc or sleep of a probe or lifecycle handler. HTTP follows no redirect
// and takes any 2xx or 3xx; HTTPS is not verified.
rt::Task<ActionResult> run_action(Context& context, ActionTarget target, const Json& action,
                                  rt::Duration timeout);

// A port number or the name of a container's port; 0: no such port.
int resolve_port(const Json* port, const Json& container);

}  // namespace mk::kubelet
