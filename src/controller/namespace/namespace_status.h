#pragma once

#include <map>
#include <string>
#include <vector>

#include "mk/api/object.h"
#include "mk/rt/clock.h"

// What is known of the contents of a namespace that is being deleted, and how its conditions say it. Pure.
namespace mk::controller::nslifecycle {

struct Remains {
  std::map<std::string, int> instances;   // by resource ("pods", "deployments.apps")
  std::map<std::string, int> finalizers;  // instances that carry each
  std::vector<std::string> failures;      // of deleting or listing
  bool pods_blocked = false;  // pods stay although nothing terminates any more: a finalizer holds them

  bool any() const { return !instances.empty() || !failures.empty(); }
};

// Writes the five NamespaceDeletion... conditions into status.conditions; foreign ones stay where they are.
// Says whether anything changed.
bool write_conditions(api::Json& ns, const Remains& remains, rt::WallTime now);

// The namespace without the finalizer "kubernetes" in spec.finalizers.
api::Json without_finalizer(const api::Json& ns);
bool has_finalizer(const api::Json& ns);

}  // namespace mk::controller::nslifecycle
