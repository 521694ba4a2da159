#pragma once

#include "garbagecollector/graph.h"
#include "kit/controller.h"
#include "kit/defined_resources.h"

namespace mk::controller {

// Deletes objects whose owners are gone; carries out foreground deletion (dependents first) and orphaning.
// Keys are uids. Watches every resource itself, built in or defined, keeping a few words of each object.
class GarbageCollector : public Controller {
 public:
  explicit GarbageCollector(Context& context);
  void start() override;

 private:
  enum class State { kSolid, kWaiting, kAbsent };

  rt::Task<> begin();
  void begin_following(const api::ResourceInfo& resource);
  // Until `turn` is no longer the resource's: it is not served any more, or anew.
  rt::Task<> follow(const api::ResourceInfo* resource, std::uint64_t turn);
  bool followed(const api::ResourceInfo* resource, std::uint64_t turn) const;
  void forget_all(const api::ResourceInfo* resource);
  rt::Task<Result<std::string>> list(const api::ResourceInfo* resource);
  rt::Task<Error> watch_from(const api::ResourceInfo* resource, std::string version);
  void observe(const api::ResourceInfo& resource, const api::Object& object, bool gone);
  void look_at(const std::vector<std::string>& uids);

  rt::Task<Result<void>> reconcile(api::Key key) override;
  rt::Task<Result<void>> collect(gc::Node node);
  rt::Task<Result<State>> state_of(gc::Node dependent, gc::Owner owner);
  rt::Task<Result<void>> finish_foreground(gc::Node node);
  rt::Task<Result<void>> finish_orphan(gc::Node node);
  rt::Task<Result<void>> drop_references(gc::Node node, std::vector<std::string> owners);
  rt::Task<Result<void>> unblock_cycle(gc::Node node);
  rt::Task<Result<void>> drop_finalizer(gc::Node node, std::string finalizer);
  rt::Task<Result<void>> remove(gc::Node node, std::string propagation);

  gc::Graph graph_;
  DefinedResources defined_;
  std::unordered_map<const api::ResourceInfo*, std::uint64_t> turns_;  // of the resources that are followed
  std::uint64_t last_turn_ = 0;
  bool started_ = false;
  std::size_t unsynced_ = 0;
  rt::Event synced_;
  std::unordered_map<const api::ResourceInfo*, std::unordered_set<std::string>> uids_;  // seen, for re-lists
};

}  // namespace mk::controller
