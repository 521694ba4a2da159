#pragma once

#include <set>
#include <string>
#include <vector>

#include "cache/cache.h"
#include "framework/framework.h"
#include "mk/rt/random.h"

namespace mk::scheduler {

// Pods that are to go to a node as soon as its victims have left, by node.
using Nominated = std::map<std::string, std::vector<PodPtr>>;

// Why a pod fits nowhere.
struct Diagnosis {
  std::size_t nodes = 0;
  std::string pre_filter_message;                         // one reason for all nodes, if so
  std::vector<std::pair<std::string, Refusal>> refusals;  // by node
  std::set<std::string> plugins;

  // "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) ..."
  std::string message() const;
};

struct Decision {
  std::string node;  // "" when it fits nowhere
  Diagnosis diagnosis;
};

// Finds the best node for a pod. Looks at all nodes of a small cluster and at a sample of a large one,
// starting where the last search ended, so that one pod costs little and every node gets its turn.
class ScheduleOne {
 public:
  ScheduleOne(Plugins& plugins, const Cache& cache, rt::Random& random)
      : plugins_(plugins), cache_(cache), random_(random) {}

  Decision decide(const PodPtr& pod, const Nominated& nominated);

 private:
  std::string best(Cycle& cycle, const std::vector<const NodeInfo*>& feasible);

  Plugins& plugins_;
  const Cache& cache_;
  rt::Random& random_;
  std::size_t next_start_ = 0;
};

// How many feasible nodes are enough to choose among.
std::size_t enough_nodes(std::size_t nodes);

// A node's filters, with the nominated pods of at least the pod's priority on it, too: it must fit either
// way.
Refusal filter_with_nominated(const Cycle& cycle, const NodeInfo& node, const Nominated& nominated);

// "1 Insufficient cpu, 2 node(s) ...", sorted.
std::string count_reasons(const std::map<std::string, int>& reasons);

}  // namespace mk::scheduler
