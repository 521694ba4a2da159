#pragma once

#include "schedule_one.h"

namespace mk::scheduler {

// What DefaultPreemption proposes: delete these pods and the node will do. `message` is the end of the
// event's text when there is no proposal.
struct Preemption {
  std::string node;
  std::vector<PodPtr> victims;
  std::string message;
};

// For a pod that fits nowhere: the node whose victims cost least (the lowest priorities, then the fewest),
// with as few victims as possible. Pods of equal or higher priority are never touched. Pure.
Preemption plan_preemption(Plugins& plugins, const Cache& cache, const PodPtr& pod,
                           const Diagnosis& diagnosis, const Nominated& nominated);

}  // namespace mk::scheduler
