#pragma once

#include <map>
#include <set>
#include <string>

#include "mk/api/openapi.h"
#include "mk/client/work_queue.h"
#include "registry/registry.h"
#include "resources/resource_table.h"

namespace mk::apiserver {

// CustomResourceDefinitions at work: keeps the resource table and the cache's views in step with them, at the
// moment they change, and brings their status to what it should be (names, Established, the deletion of their
// objects), level-triggered.
class Definitions {
 public:
  // The table starts with what the cache holds.
  Definitions(Cacher& cacher, ResourceTable& table);

  const ResourceTable& table() const { return table_; }

  // What OpenAPI documents say of custom resources: all there is, or the schemas of one group version
  // ("apis/example.com/v1") only. Without schemas it is enough for hashes and the index.
  enum class Schemas { kNone, kAll, kOne };
  api::OpenApiExtra openapi(Schemas schemas, std::string_view group_version = {}) const;

  // Serves for ever, and without storing anything, what has the form of a definition: its objects are made
  // when they are asked for, and can be read only.
  void serve_computed(api::Json definition);

  // Begins to write status; `registry` must outlive the group's tasks.
  void start(Registry& registry, rt::Clock& clock, rt::Group& group);

 private:
  void follow(const CacheEvent& event);
  // Notes the names that the definition has now; says whether it had others before.
  bool note_names(const std::string& name, const api::Object& definition);
  // Serves what the definition says; an empty object: nothing any more.
  void publish(const std::string& name, const api::Object& definition);
  void enqueue(const std::string& name);
  // All definitions of a group: a name of one may be free for another now.
  void enqueue_group(const std::string& group);

  rt::Task<> work();
  rt::Task<Result<void>> reconcile(std::string name);
  rt::Task<Result<void>> settle_names(api::Object definition);
  rt::Task<Result<void>> clean_up(api::Object definition);
  rt::Task<Result<void>> remove_instances(std::string name);
  // Writes the definition's status (and finalizers) as `change` has it.
  rt::Task<Result<void>> write(std::string name, Registry::Change change);
  WriteContext context(ResourceRef resource, const api::Key& key) const;
  ResourceCache& instances(const std::string& name) { return cacher_.stored(name); }

  Cacher& cacher_;
  ResourceTable& table_;
  Registry* registry_ = nullptr;
  rt::Clock* clock_ = nullptr;
  std::unique_ptr<client::WorkQueue> queue_;
  // status.acceptedNames of every definition, by group and definition: they are compared at each change, and
  // definitions are too large to be parsed for it.
  std::map<std::string, std::map<std::string, api::Json>> names_;
  std::map<std::string, std::uint64_t> served_;  // by definition: a hash of what it makes of the table
  std::map<std::string, api::Object> computed_;
  std::set<std::string> watched_;  // definitions whose instances wake the queue when they go
};

}  // namespace mk::apiserver
