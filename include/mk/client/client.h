#pragma once

#include <memory>
#include <string>
#include <vector>

#include "mk/api/object.h"
#include "mk/api/types.h"
#include "mk/base/result.h"
#include "mk/rt/task.h"

namespace mk::client {

struct ListOptions {
  std::string label_selector, field_selector;
  std::string resource_version;        // "" most recent, "0" any
  std::string resource_version_match;  // "", "Exact", "NotOlderThan"
  std::int64_t limit = 0;              // 0: no paging
  std::string continue_token;
};

struct WatchOptions {
  std::string label_selector, field_selector;
  std::string resource_version;  // start after this one; "" or "0": from the current state
  bool allow_bookmarks = true;
  bool send_initial_events = false;
  std::int64_t timeout_seconds = 0;  // 0: the server decides
};

struct WriteOptions {
  std::string field_manager;  // "": the client's default name
  bool dry_run = false;
  bool force = false;  // server-side apply
};

struct DeleteOptions {
  std::string uid, resource_version;       // preconditions; "" none
  std::string propagation;                 // "", "Background", "Foreground", "Orphan"
  std::int64_t grace_period_seconds = -1;  // -1: the object's own
};

enum class PatchType { kJson, kMerge, kStrategicMerge, kApply };

struct ObjectList {
  std::vector<api::Object> items;
  std::string resource_version, continue_token;
};

struct WatchEvent {
  enum class Type { kAdded, kModified, kDeleted, kBookmark };
  WatchEvent(Type type_, api::Object object_) : type(type_), object(std::move(object_)) {}
  Type type;
  api::Object object;
};

// One watch. Destroying it ends it.
class Watch {
 public:
  virtual ~Watch() = default;
  // The next event; an error ends the watch: kExpired (resource version too old: list again), kGone (the
  // server closed it in the ordinary way: watch on from the last version), or what broke the connection.
  virtual rt::Task<Result<WatchEvent>> next() = 0;
};

// The one way to the API, for every part of mk. Two transports: in-process (made by the API server; shares
// its objects) and HTTPS (below). Both pass the same authentication, authorization, admission and validation,
// and answer with the same errors. `ns` is "" for cluster-scoped resources and for "all namespaces".
class Client {
 public:
  virtual ~Client() = default;

  virtual rt::Task<Result<api::Object>> get(api::Gvr resource, api::Key key) = 0;
  // A subresource that can be read: "scale" gives an autoscaling/v1 Scale of whatever has one, "status" the
  // object.
  virtual rt::Task<Result<api::Object>> get_subresource(api::Gvr resource, api::Key key,
                                                        std::string subresource) = 0;
  virtual rt::Task<Result<ObjectList>> list(api::Gvr resource, std::string ns, ListOptions options) = 0;
  virtual rt::Task<Result<std::unique_ptr<Watch>>> watch(api::Gvr resource, std::string ns,
                                                         WatchOptions options) = 0;

  virtual rt::Task<Result<api::Object>> create(api::Gvr resource, std::string ns, api::Object object,
                                               WriteOptions options) = 0;
  // POST to a subresource: "binding", "eviction", "token". Answers what the server answers.
  virtual rt::Task<Result<api::Object>> create_subresource(api::Gvr resource, api::Key key,
                                                           std::string subresource, api::Object object) = 0;
  // metadata.resourceVersion in the object makes it conditional. subresource: "" or "status", "scale" ...
  virtual rt::Task<Result<api::Object>> update(api::Gvr resource, api::Object object, std::string subresource,
                                               WriteOptions options) = 0;
  virtual rt::Task<Result<api::Object>> patch(api::Gvr resource, api::Key key, std::string subresource,
                                              PatchType type, api::Json patch, WriteOptions options) = 0;
  // The object as it was when deleted, or a Status.
  virtual rt::Task<Result<api::Object>> remove(api::Gvr resource, api::Key key, DeleteOptions options) = 0;
  virtual rt::Task<Result<void>> remove_collection(api::Gvr resource, std::string ns, ListOptions which,
                                                   DeleteOptions options) = 0;
};

}  // namespace mk::client
