#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mk/api/json.h"
#include "mk/api/object.h"
#include "mk/rt/clock.h"

// Reading a pod's JSON: the few questions that every part of the kubelet asks.
namespace mk::kubelet {

using api::Json;
using api::JsonArray;
using api::JsonObject;

enum class ContainerKind { kInit, kSidecar, kRegular, kEphemeral };

struct ContainerRef {
  const Json* spec;
  ContainerKind kind;
  std::string_view name() const { return api::str(*spec, "name"); }
};

// Init containers and sidecars in their order, then the regular ones, then the ephemeral ones. The references
// live as long as `pod`.
std::vector<ContainerRef> all_containers(const Json& pod);
std::vector<ContainerRef> init_containers(const Json& pod);
std::vector<ContainerRef> regular_containers(const Json& pod);

// Does `container` start again after it ended with `exit_code`?
bool restarts_after(const Json& pod, const ContainerRef& container, int exit_code);

bool terminal_phase(const Json& pod);  // Succeeded or Failed
bool host_network(const Json& pod);
std::chrono::seconds grace_period(const Json& pod);  // of the deletion if there is one, else of the spec
std::string pod_key(const Json& pod);                // "ns/name"
std::string full_name(const Json& pod);              // "name_ns(uid)", as Kubernetes' messages spell a pod

Json text(std::string_view value);       // a JSON string
std::string text_of(const Json* value);  // a scalar as text; "" for none

}  // namespace mk::kubelet
