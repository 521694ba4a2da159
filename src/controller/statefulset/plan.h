#pragma once

#include <optional>
#include <string>
#include <vector>

#include "mk/api/object.h"
#include "mk/rt/clock.h"

// The decisions of the StatefulSet controller. Pure: no I/O, no clock.
namespace mk::controller::statefulset {

struct Slot {
  std::int64_t ordinal = 0;
  api::Object pod;  // may be missing
};

// A StatefulSet's pods by ordinal.
struct View {
  View(const api::Object& set, const std::vector<api::Object>& pods, std::string current, std::string update,
       rt::WallTime now);

  bool ordered = true, rolling = true;
  std::int64_t first = 0, partition = 0, min_ready = 0, max_unavailable = 1;
  std::string current, update;  // names of revisions
  std::vector<Slot> slots;      // those the set wants, ascending
  std::vector<Slot> condemned;  // those it does not want, descending
  rt::WallTime now;

  // Runs, is ready, has been for long enough, and stays.
  bool healthy(const api::Object& pod) const;
  const std::string& revision_for(std::int64_t ordinal) const;
};

struct Todo {
  std::vector<std::int64_t> create;
  std::vector<api::Object> remove;
};
// The next step. OrderedReady: one pod at a time, waiting for every one before it; Parallel: all at once.
Todo plan(const View& view);

// status, but for collisionCount. A rolling update that is complete makes its revision the current one.
api::Json status_of(const api::Object& set, const View& view);
std::string_view revision_of(const api::Object& pod);

}  // namespace mk::controller::statefulset
