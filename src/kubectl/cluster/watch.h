#pragma once

#include <optional>
#include <string>

#include "cluster/session.h"

namespace mk::kubectl {

struct WatchedEvent {
  std::string type;  // ADDED, MODIFIED, DELETED
  api::Json object;
};

// The changes of a collection from a version on; goes on by itself when the server ends a watch in the
// ordinary way.
class Watcher {
 public:
  // `target` is the collection's path with its selectors.
  Watcher(Session& session, std::string target, std::string resource_version,
          std::string accept = "application/json")
      : session_(session),
        target_(std::move(target)),
        version_(std::move(resource_version)),
        accept_(std::move(accept)) {}

  // The next change; bookmarks are swallowed. nullopt when the watch cannot go on without a new list.
  // kTimeout once nothing has come for `limit`.
  Result<std::optional<WatchedEvent>> next(std::optional<rt::Duration> limit);

 private:
  Result<void> open();
  void remember_version(const api::Json& object);
  Session& session_;
  std::string target_, version_, accept_;
  std::optional<LineStream> stream_;
  bool progressed_ = false;  // since the watch was opened
};

}  // namespace mk::kubectl
