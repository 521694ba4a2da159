#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "mk/api/node_selector.h"
#include "mk/api/object.h"
#include "mk/api/selector.h"
#include "mk/rt/clock.h"

// What the scheduler knows of pods and nodes: typed, read once from the objects, so that no filter parses.
namespace mk::scheduler {

struct Resources {
  std::int64_t milli_cpu = 0, memory = 0, ephemeral = 0, pods = 0;
  std::map<std::string, std::int64_t> extended;

  void add(const Resources& other, int sign = 1);
  void raise_to(const Resources& other);  // the larger of each
};
// From a ResourceList ({"cpu": "100m", ...}).
Resources parse_resources(const api::JsonObject& list);
// What a pod asks for: containers and sidecars together, or the largest init container if that is more; a
// pod-level request instead of either; and its overhead.
Resources pod_requests(const api::Json& pod);

struct Toleration {
  std::string key, op, value, effect;
};
struct Taint {
  std::string key, value, effect;
};
bool tolerates(const std::vector<Toleration>& tolerations, const Taint& taint);

// A host port in use or wanted; ip "" and "0.0.0.0" stand for every address.
struct HostPort {
  std::string ip, protocol;
  std::int64_t port = 0;
  bool clashes(const HostPort& other) const;
};

using api::any_term_matches;
using api::NodeTerm;

struct PodAffinityTerm {
  api::LabelSelector selector;
  std::string topology_key;
  std::set<std::string> namespaces;
  std::optional<api::LabelSelector> namespace_selector;  // of namespaces; none: by name only
  std::int64_t weight = 0;                               // preferred terms

  bool selects(const std::string& ns, const api::JsonObject& ns_labels,
               const api::JsonObject& pod_labels) const;
};

struct SpreadConstraint {
  std::int64_t max_skew = 1, min_domains = 0;
  std::string topology_key;
  bool hard = true;
  bool honor_affinity = true, honor_taints = false;
  api::LabelSelector selector;
  bool by_controller = false;  // count pods of the same controller instead of by labels (default spreading)
};

// A volume that stands for a claim of the pod's namespace.
struct PodVolume {
  std::string claim;
  bool ephemeral = false;  // made for this pod
};

struct PodInfo {
  api::Object object;
  api::Key key;
  std::string uid, node, nominated_node, controller_uid;
  api::JsonObject labels;
  std::int64_t priority = 0;
  bool terminating = false, never_preempts = false, gated = false;
  rt::WallTime started;
  Resources requests, scored;  // scored: with the amounts assumed where nothing is asked for
  std::vector<HostPort> ports;
  std::vector<Toleration> tolerations;
  api::JsonObject node_selector;
  std::optional<std::vector<NodeTerm>> required_nodes;
  std::vector<std::pair<std::int64_t, NodeTerm>> preferred_nodes;
  std::vector<PodAffinityTerm> required_affinity, required_anti, preferred_affinity, preferred_anti;
  std::vector<SpreadConstraint> spread;
  std::vector<std::string> images;
  std::vector<PodVolume> claims;
  std::size_t containers = 0;
};
using PodPtr = std::shared_ptr<const PodInfo>;
PodPtr make_pod_info(const api::Object& pod);

struct NodeInfo {
  std::string name;
  bool known = false;  // false: pods name it, but there is no such Node object
  api::JsonObject labels;
  std::vector<Taint> taints;
  bool unschedulable = false;
  Resources allocatable, requested, scored;
  std::map<std::string, std::int64_t> images;  // name -> bytes
  std::vector<HostPort> ports;
  std::vector<PodPtr> pods;
  std::size_t with_affinity = 0;  // pods that have terms about other pods

  void set_node(const api::Object& node);
  void clear_node();
  void add_pod(const PodPtr& pod);
  bool remove_pod(const std::string& uid);
  std::string label(const std::string& key) const;
  bool has_label(const std::string& key) const { return labels.contains(key); }
};

// Affinity terms with Kubernetes' reading of selectors; in affinity.cc.
void parse_affinity(PodInfo& info, const api::Json& pod);
void parse_spread(PodInfo& info, const api::Json& pod);

}  // namespace mk::scheduler
