#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cacher/cacher.h"
#include "mk/api/resource.h"
#include "mk/client/client.h"

// Lists and watches as both transports need them: from the cache where it can answer, from the store's past
// where a page or an exact revision asks for it.
namespace mk::apiserver {

struct ListResult {
  std::vector<api::Object> items;
  store::Revision revision = 0;
  std::string continue_token;
  std::int64_t remaining = -1;  // -1: unknown (a selector is in force)
};

// kBadRequest (malformed options), kExpired (compacted; the message says how to go on), kTimeout (a revision
// that does not exist yet).
rt::Task<Result<ListResult>> list_objects(Cacher& cacher, const api::ResourceInfo& resource, std::string ns,
                                          client::ListOptions options);

struct WatchStart {
  std::vector<api::Object> initial;     // to be sent as ADDED first
  bool bookmark_after_initial = false;  // with the annotation k8s.io/initial-events-end
  store::Revision revision = 0;         // of the initial state
  std::shared_ptr<CacheWatcher> watcher;
};
Result<WatchStart> start_watch(Cacher& cacher, const api::ResourceInfo& resource, const std::string& ns,
                               const client::WatchOptions& options);

// An otherwise empty object that tells a watcher how far it has come.
api::Object bookmark(const api::ResourceInfo& resource, store::Revision revision, bool initial_events_end);

}  // namespace mk::apiserver
