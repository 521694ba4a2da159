#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "mk/api/resource.h"
#include "mk/client/client.h"
#include "mk/rt/clock.h"

namespace mk::client {

// An API server in memory, for tests of controllers, scheduler and kubelet: versions, conflicts,
// generateName, selectors, watches, status and the other subresources, patches, finalizers, graceful deletion
// of pods that run on a node. No admission, no validation, no defaults: objects are stored as they come.
class FakeClient : public Client {
 public:
  explicit FakeClient(rt::Clock& clock);
  ~FakeClient() override;

  struct Action {
    std::string verb;  // "get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"
    api::Gvr resource;
    api::Key key;
    std::string subresource;
  };

  // What a test does behind the clients' backs. All of it shows in the watches.
  api::Object put(const api::Gvr& resource, api::Json object);  // creates or replaces, no questions asked
  api::Object find(const api::Gvr& resource, const api::Key& key) const;  // empty when absent
  std::vector<api::Object> all(const api::Gvr& resource) const;
  void erase(const api::Gvr& resource, const api::Key& key);  // whatever its finalizers
  // Every watch ends with this error; kExpired also forgets the history, so that only a list helps.
  void end_watches(const Error& why);
  std::size_t watches() const;

  // Asked before each request; an error becomes the answer.
  std::function<Result<void>(const Action&)> intercept;
  // The answer to a SubjectAccessReview; nobody may anything while it is unset.
  std::function<bool(const api::Json& review)> may;
  std::vector<Action> actions;  // every request, in order
  std::size_t count(const std::string& verb, const api::Gvr& resource) const;

  rt::Task<Result<api::Object>> get(api::Gvr resource, api::Key key) override;
  rt::Task<Result<api::Object>> get_subresource(api::Gvr resource, api::Key key,
                                                std::string subresource) override;
  rt::Task<Result<ObjectList>> list(api::Gvr resource, std::string ns, ListOptions options) override;
  rt::Task<Result<std::unique_ptr<Watch>>> watch(api::Gvr resource, std::string ns,
                                                 WatchOptions options) override;
  rt::Task<Result<api::Object>> create(api::Gvr resource, std::string ns, api::Object object,
                                       WriteOptions options) override;
  rt::Task<Result<api::Object>> create_subresource(api::Gvr resource, api::Key key, std::string subresource,
                                                   api::Object object) override;
  rt::Task<Result<api::Object>> update(api::Gvr resource, api::Object object, std::string subresource,
                                       WriteOptions options) override;
  rt::Task<Result<api::Object>> patch(api::Gvr resource, api::Key key, std::string subresource,
                                      PatchType type, api::Json patch, WriteOptions options) override;
  rt::Task<Result<api::Object>> remove(api::Gvr resource, api::Key key, DeleteOptions options) override;
  rt::Task<Result<void>> remove_collection(api::Gvr resource, std::string ns, ListOptions which,
                                           DeleteOptions options) override;

 private:
  struct Change;
  struct Filter;
  struct Watcher;
  class FakeWatch;
  using Table = std::map<api::Key, api::Object>;

  Result<void> begin(std::string verb, const api::Gvr& resource, api::Key key, std::string subresource = {});
  Result<api::Object> existing(const api::Gvr& resource, const api::Key& key) const;
  Result<api::Object> create_now(const api::Gvr& resource, const std::string& ns, api::Json json,
                                 bool dry_run);
  Result<api::Object> update_now(const api::Gvr& resource, const api::Object& live, api::Json wanted,
                                 const std::string& subresource, bool dry_run);
  Result<api::Object> remove_now(const api::Gvr& resource, const api::Object& live,
                                 const DeleteOptions& options);
  Result<api::Object> bind(const api::Object& pod, const api::Object& binding);
  Result<api::Json> patched(const api::Gvr& resource, const api::Object& live, PatchType type,
                            const api::Json& patch) const;
  api::Object store(const api::Gvr& resource, const api::Object& before, api::Json after);
  void drop(const api::Gvr& resource, const api::Object& before);
  void publish(std::shared_ptr<const Change> change);

  rt::Clock& clock_;
  std::map<api::Gvr, Table> tables_;
  std::deque<std::shared_ptr<const Change>> history_;
  std::vector<std::weak_ptr<Watcher>> watchers_;
  std::int64_t revision_ = 1;
  std::int64_t forgotten_ = 0;  // changes up to here are gone from the history
};

}  // namespace mk::client
