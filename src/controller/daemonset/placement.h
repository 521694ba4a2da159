#pragma once

#include <string>
#include <vector>

#include "mk/api/node_selector.h"
#include "mk/api/object.h"

// Which nodes a DaemonSet's pods belong on. Pure.
namespace mk::controller::daemonset {

inline constexpr char kHash[] = "controller-revision-hash";
inline constexpr char kGeneration[] = "pod-template-generation";
inline const api::Gvk kSetKind{"apps", "v1", "DaemonSet"};

// Should a pod be made on the node; may one that is there stay?
struct Placement {
  bool run = false, stay = false;
  bool operator==(const Placement&) const = default;
};

// What a template demands of nodes, read once for many of them. Daemons tolerate what a node in trouble is
// tainted with.
class Demands {
 public:
  explicit Demands(const api::Json& pod_template);
  Placement on(const api::Object& node) const;
  const api::JsonArray& tolerations() const { return tolerations_; }

 private:
  bool tolerated(const api::Json& taint) const;

  std::string node_name_;
  api::JsonObject node_selector_;
  std::vector<api::NodeTerm> terms_;
  bool has_terms_ = false;
  api::JsonArray tolerations_;
};

// A pod for one node: the scheduler places it there by its node affinity.
api::Json make_pod(const api::Object& set, const Demands& demands, const std::string& node,
                   const std::string& hash);
// Where a pod runs or is meant to run.
std::string node_of(const api::Object& pod);
// The text of the annotation that counts changes of the template.
std::string template_generation(const api::Object& set);

}  // namespace mk::controller::daemonset
