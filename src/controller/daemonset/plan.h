#pragma once

#include <map>
#include <string>
#include <vector>

#include "daemonset/placement.h"
#include "mk/rt/clock.h"

// The decisions of the DaemonSet controller. Pure: no I/O, no clock.
namespace mk::controller::daemonset {

struct Site {
  Placement placement;
  bool exists = false;            // there is such a node
  std::vector<api::Object> pods;  // of the set, oldest first
};

// A DaemonSet on its nodes.
struct View {
  View(const api::Object& set, const std::vector<api::Object>& nodes, const std::vector<api::Object>& pods,
       std::string hash, rt::WallTime now);

  bool updated(const api::Object& pod) const;
  bool available(const api::Object& pod) const;

  std::map<std::string, Site> sites;  // by node
  std::string hash, generation;
  bool rolling = true;
  std::int64_t desired = 0, max_surge = 0, max_unavailable = 1, min_ready = 0;
  rt::WallTime now;
};

struct Todo {
  std::vector<std::string> create;  // nodes
  std::vector<api::Object> remove;
  std::vector<api::Object> ended;  // failed or succeeded: removed too, but not at once again and again
};
// One pod on every node that should have one, none where it may not be; then the next step of an update.
Todo plan(const View& view);

// status, but for collisionCount.
api::Json status_of(const api::Object& set, const View& view);

}  // namespace mk::controller::daemonset
